/* Those who wait for a hasher and may not sign in any more, as others of their network have got it banned meanwhile: they are taken out
 * of the queue before anything is hashed for them; see sign_in_service.h.
 *
 * Asking and taking out is done at once, and costs about a microsecond each; telling is done by a timer, a few in a turn, since it
 * writes to the client and closes the session. */
#include "core/users/sign_in_service.h"

enum { TOLD_A_TURN = 64 }; /* some 20 us each: others are not held by it */

static void refuse(struct sign_in_service *service, struct sign_in_request *request)
{
	list_remove(&request->link);
	request->job = NULL;
	list_append(&service->refused, &request->link);
	sign_in_count(&service->counts->refused);
	if (!timer_is_running(&service->refused_timer))
		loop_timer_start(service->loop, &service->refused_timer, 0);
}

static void tell(struct sign_in_service *service, size_t most)
{
	struct list *node;
	for (size_t i = 0; i < most && (node = list_take_first(&service->refused)); i++) {
		struct sign_in_request *request = CONTAINER_OF(node, struct sign_in_request, link);
		request->done(request, SIGN_IN_REFUSED);
	}
}

static void tell_some(struct timer *timer)
{
	struct sign_in_service *service = CONTAINER_OF(timer, struct sign_in_service, refused_timer);
	tell(service, TOLD_A_TURN);
	if (!list_is_empty(&service->refused))
		loop_timer_start(service->loop, timer, 0);
}

bool sign_in_job_may(struct sign_in_job *job)
{
	for (struct list *node = job->requests.next, *next; node != &job->requests; node = next) {
		struct sign_in_request *request = CONTAINER_OF(node, struct sign_in_request, link);
		next = node->next;
		if (request->may && !request->may(request))
			refuse(job->service, request);
	}
	return !list_is_empty(&job->requests);
}

static void look(struct sign_in_waiting *waiting)
{
	struct sign_in_job *job = CONTAINER_OF(waiting, struct sign_in_job, waiting);
	if (!sign_in_job_may(job))
		sign_in_job_free(job);
}

void sign_in_look_again(struct sign_in_service *service, uint64_t network)
{
	if (service)
		sign_in_queue_visit(&service->queue, network, look);
}

void sign_in_look_again_start(struct sign_in_service *service)
{
	list_init(&service->refused);
	timer_init(&service->refused_timer, tell_some);
}

void sign_in_look_again_stop(struct sign_in_service *service)
{
	tell(service, SIZE_MAX);
	loop_timer_stop(service->loop, &service->refused_timer);
}
