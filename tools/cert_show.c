/* `postern cert show`: what is served where, how long it lasts, what clients would complain of. */
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "tools/command_cert.h"

/* One certificate and where it stands. */
struct shown {
	const struct config_server *server;           /* NULL: a file that was named */
	const struct config_certificate *certificate; /* likewise */
	const char *file;
	struct certificate_report report;
};

static void date_text(int64_t unix_time, char text[16])
{
	time_t when = (time_t)unix_time;
	struct tm parts;
	if (!gmtime_r(&when, &parts) || !strftime(text, 16, "%Y-%m-%d", &parts))
		snprintf(text, 16, "?");
}

static void print_listeners(const struct config_server *server)
{
	printf("  serves    ");
	const char *between = "";
	for (size_t i = 0; i < server->listener_count; i++) {
		if (server->listeners[i].mode == LISTENER_PLAIN)
			continue;
		printf("%s%s", between, server->listeners[i].text);
		between = ", ";
	}
	printf("%s\n", *between ? "" : "nobody: no listener has TLS");
}

static void print_lifetime(const struct certificate_report *report)
{
	char begins[16], ends[16];
	date_text(report->begins_unix, begins);
	date_text(report->ends_unix, ends);
	if (report->days_left >= 0)
		printf("  valid     %s to %s: %lld day%s left\n", begins, ends, (long long)report->days_left,
		       report->days_left == 1 ? "" : "s");
	else
		printf("  valid     %s to %s: over for %lld day%s\n", begins, ends, (long long)-report->days_left,
		       report->days_left == -1 ? "" : "s");
}

static void print_text(const struct shown *shown)
{
	const struct config_server *server = shown->server;
	const struct certificate_report *report = &shown->report;
	printf("%s", shown->file);
	if (server)
		printf("  (server %s, %s%s, %s:%d)", server->name, shown->certificate->name ? "sni " : "the default",
		       shown->certificate->name ? shown->certificate->name : "", server->file,
		       shown->certificate->line);
	putchar('\n');
	if (server)
		print_listeners(server);
	if (report->readable) {
		printf("  names     %s\n", report->names);
		printf("  subject   %s\n  issuer    %s\n", report->subject, report->issuer);
		printf("  key       %s%s%s\n", report->key, server ? ", " : "", server ? shown->certificate->key : "");
		print_lifetime(report);
		printf("  chain     %zu certificate%s\n", report->chain, report->chain == 1 ? "" : "s");
	}
	cert_print_findings(stdout, report);
	if (report->count == 0)
		puts("  clients   have nothing to complain of");
}

static json_t *words_json(const char *text)
{
	json_t *list = json_array();
	for (size_t size; *text; text += size + (text[size] == ' ')) {
		size = strcspn(text, " ");
		json_array_append_new(list, json_stringn_nocheck(text, size));
	}
	return list;
}

static json_t *findings_json(const struct certificate_report *report)
{
	json_t *list = json_array();
	for (size_t i = 0; i < report->count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "severity",
						      cert_severity_text(report->findings[i].severity), "name",
						      report->findings[i].name, "text", report->findings[i].text));
	return list;
}

static void add_place(json_t *object, const struct shown *shown)
{
	json_t *listeners = json_array();
	for (size_t i = 0; i < shown->server->listener_count; i++)
		if (shown->server->listeners[i].mode != LISTENER_PLAIN)
			json_array_append_new(listeners, json_string(shown->server->listeners[i].text));
	json_object_set_new(object, "server", json_string(shown->server->name));
	json_object_set_new(object, "listeners", listeners);
	json_object_set_new(object, "sni",
			    shown->certificate->name ? json_string(shown->certificate->name) : json_null());
	json_object_set_new(object, "key_file", json_string(shown->certificate->key));
}

static void print_json(const struct shown *shown)
{
	const struct certificate_report *report = &shown->report;
	char begins[16], ends[16];
	date_text(report->begins_unix, begins);
	date_text(report->ends_unix, ends);
	json_t *object = json_pack("{s:s, s:o}", "file", shown->file, "findings", findings_json(report));
	if (object && shown->server)
		add_place(object, shown);
	if (object && report->readable) {
		json_object_set_new(object, "names", words_json(report->names));
		json_object_set_new(object, "subject", json_string(report->subject));
		json_object_set_new(object, "issuer", json_string(report->issuer));
		json_object_set_new(object, "key", json_string(report->key));
		json_object_set_new(object, "fingerprint", json_string(report->fingerprint));
		json_object_set_new(object, "begins", json_string(begins));
		json_object_set_new(object, "ends", json_string(ends));
		json_object_set_new(object, "days_left", json_integer(report->days_left));
		json_object_set_new(object, "chain", json_integer((json_int_t)report->chain));
	}
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

/* Answers whether clients would accept it. */
static bool show_one(const struct cert_request *request, const struct argument_list *names, struct shown *shown)
{
	struct certificate_question question = {
		.certificate_file = shown->file,
		.key_file = shown->certificate ? shown->certificate->key : NULL,
		.host_names = names->items,
		.roots_file = request->ca,
		.unix_now = (int64_t)time(NULL),
	};
	certificate_examine(&question, &shown->report);
	if (request->json)
		print_json(shown);
	else
		print_text(shown);
	return certificate_worst(&shown->report) != CERTIFICATE_FAULT;
}

static bool show_files(const struct cert_request *request)
{
	bool fine = true;
	for (size_t i = 0; i < request->operands.count; i++) {
		struct shown shown = { .file = request->operands.items[i] };
		fine = show_one(request, &request->names, &shown) && fine;
	}
	return fine;
}

/* Every certificate of every block, or of the one that was named. */
static bool show_config(const struct cert_request *request, const struct config *config, size_t *count)
{
	bool fine = true;
	for (size_t i = 0; i < config->server_count; i++) {
		const struct config_server *server = &config->servers[i];
		if (request->server && strcmp(request->server, server->name) != 0)
			continue;
		for (size_t j = 0; j < server->certificate_count; j++) {
			const struct config_certificate *certificate = &server->certificates[j];
			struct shown shown = { server, certificate, .file = certificate->certificate };
			struct argument_list names = request->names;
			if (names.count == 0)
				names = (struct argument_list){
					{ certificate->name ? certificate->name : server->hostname }, 1
				};
			fine = show_one(request, &names, &shown) && fine;
			(*count)++;
		}
	}
	return fine;
}

int cert_show(void *context)
{
	const struct cert_request *request = context;
	if (request->operands.count > 0)
		return show_files(request) ? EXIT_DONE : EXIT_NOT_DONE;
	struct config *config = command_load_config(request->config_file);
	if (!config)
		return EXIT_ENVIRONMENT;
	size_t count = 0;
	bool fine = show_config(request, config, &count);
	config_free(config);
	if (count > 0)
		return fine ? EXIT_DONE : EXIT_NOT_DONE;
	if (request->server)
		cert_complain("no server block \"%s\" has a certificate", request->server);
	else
		cert_complain("no server block has a certificate");
	return EXIT_ENVIRONMENT;
}
