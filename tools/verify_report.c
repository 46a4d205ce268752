/* The report of `postern verify`: text, JSON, HTML; see verify.h. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/verify.h"

static const char *const outcomes[VERIFY_OUTCOMES] = { "passed", "failed", "not tried" };

static void now_text(char text[32])
{
	time_t now = time(NULL);
	struct tm parts;
	if (!gmtime_r(&now, &parts) || !strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &parts))
		text[0] = 0;
}

/* Where it was asked from: an auditor wants to know. */
static void machine_text(char text[256])
{
	if (gethostname(text, 256) != 0)
		text[0] = 0;
	text[255] = 0;
}

/* --- text --- */

static void print_line(const struct verify_line *line)
{
	printf("%-9s  %-20s  %s\n    tried     %s\n    expected  %s\n    happened  %s\n    rule      %s\n",
	       outcomes[line->outcome], line->check, line->where, line->tried, line->expected, line->happened,
	       line->rule);
}

void verify_print_text(const struct verify_report *report, const char *subject)
{
	char now[32], machine[256];
	now_text(now);
	machine_text(machine);
	printf("%s, %s, asked from %s\n\n", subject, now, machine);
	for (size_t i = 0; i < report->count; i++)
		print_line(&report->lines[i]);
	printf("\n%zu passed, %zu failed, %zu not tried\n", report->outcomes[VERIFY_PASSED],
	       report->outcomes[VERIFY_FAILED], report->outcomes[VERIFY_NOT_TRIED]);
	for (size_t i = 0; i < report->count; i++)
		if (report->lines[i].outcome == VERIFY_FAILED)
			printf("failed: %s, %s\n", report->lines[i].check, report->lines[i].where);
}

/* --- JSON --- */

/* What a server says may be no UTF-8. */
static json_t *text_json(const char *text)
{
	json_t *string = json_string(text);
	char ascii[VERIFY_TEXT_BYTES];
	if (string)
		return string;
	snprintf(ascii, sizeof ascii, "%s", text);
	for (char *c = ascii; *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	return json_string(ascii);
}

static json_t *line_json(const struct verify_line *line)
{
	json_t *object = json_pack("{s:s, s:s}", "outcome", outcomes[line->outcome], "check", line->check);
	json_object_set_new(object, "where", text_json(line->where));
	json_object_set_new(object, "tried", text_json(line->tried));
	json_object_set_new(object, "expected", text_json(line->expected));
	json_object_set_new(object, "happened", text_json(line->happened));
	json_object_set_new(object, "rule", text_json(line->rule));
	return object;
}

void verify_print_json(const struct verify_report *report, const char *subject)
{
	char now[32], machine[256];
	now_text(now);
	machine_text(machine);
	json_t *lines = json_array();
	for (size_t i = 0; i < report->count; i++)
		json_array_append_new(lines, line_json(&report->lines[i]));
	json_t *object = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "subject", subject, "time", now, "from",
				   machine, "passed", (json_int_t)report->outcomes[VERIFY_PASSED], "failed",
				   (json_int_t)report->outcomes[VERIFY_FAILED], "not_tried",
				   (json_int_t)report->outcomes[VERIFY_NOT_TRIED], "lines", lines);
	json_dumpf(object, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(object);
}

/* --- HTML --- */

static void print_escaped(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '<' || *c == '>' || *c == '&' || *c == '"')
			printf("&#%d;", *c);
		else
			putchar(*c);
	}
}

static void print_cell(const char *text)
{
	fputs("<td>", stdout);
	print_escaped(text);
	fputs("</td>", stdout);
}

static void print_row(const struct verify_line *line)
{
	static const char *const classes[VERIFY_OUTCOMES] = { "passed", "failed", "skipped" };
	printf("<tr class=\"%s\">", classes[line->outcome]);
	print_cell(outcomes[line->outcome]);
	print_cell(line->check);
	print_cell(line->where);
	print_cell(line->tried);
	print_cell(line->expected);
	print_cell(line->happened);
	print_cell(line->rule);
	puts("</tr>");
}

static const char html_head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>postern verify</title>\n<style>\n"
	"body { font: 14px/1.4 sans-serif; margin: 2em; color: #222 }\n"
	"table { border-collapse: collapse } td, th { border: 1px solid #ccc; padding: .3em .6em; text-align: left; "
	"vertical-align: top }\n"
	"th { background: #eee } td { overflow-wrap: anywhere }\n"
	".passed td:first-child { background: #d7f0d7 } .failed td:first-child { background: #f5c6c6; font-weight: "
	"bold }\n"
	".skipped td:first-child { background: #eee }\n</style></head><body>\n";

/* What is to be done comes first. */
static void print_failed(const struct verify_report *report)
{
	if (report->outcomes[VERIFY_FAILED] == 0)
		return;
	puts("<ul>");
	for (size_t i = 0; i < report->count; i++) {
		const struct verify_line *line = &report->lines[i];
		if (line->outcome != VERIFY_FAILED)
			continue;
		printf("<li class=\"failed\">failed: %s, ", line->check);
		print_escaped(line->where);
		fputs(": ", stdout);
		print_escaped(line->happened);
		puts("</li>");
	}
	puts("</ul>");
}

void verify_print_html(const struct verify_report *report, const char *subject)
{
	char now[32], machine[256];
	now_text(now);
	machine_text(machine);
	fputs(html_head, stdout);
	fputs("<h1>", stdout);
	print_escaped(subject);
	printf("</h1>\n<p>%s, asked from ", now);
	print_escaped(machine);
	printf(": %zu passed, %zu failed, %zu not tried</p>\n", report->outcomes[VERIFY_PASSED],
	       report->outcomes[VERIFY_FAILED], report->outcomes[VERIFY_NOT_TRIED]);
	print_failed(report);
	puts("<table><tr><th></th><th>check</th><th>where</th><th>tried</th><th>expected</th><th>happened</th>"
	     "<th>rule</th></tr>");
	for (size_t i = 0; i < report->count; i++)
		print_row(&report->lines[i]);
	puts("</table></body></html>");
}
