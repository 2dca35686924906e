/* A small HTTP server (libmicrohttpd) in front of one text. See listener.h. */
#include "tools/listener.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"

/* Who asks is a scraper or two, and a supervisor; slow or many others must cost nothing. */
#define CONNECTIONS_MAX 32u
#define CONNECTION_TIMEOUT_S 10u

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct listener {
  struct MHD_Daemon *daemon;
  pthread_mutex_t mutex; /* of what follows; held for as long as a text is swapped or copied */
  struct buf text;
  int64_t published_at_us;        /* monotonic; 0: never */
  char not_ready[ERROR_TEXT_MAX]; /* empty: is ready */
};

bool listen_address_parse(const char *text, struct listen_address *out) {
  struct slice rest = slice_from_cstr(text), host = SLICE("127.0.0.1");
  const char *colon = strrchr(text, ':');
  if (colon && colon > text) {
    host = slice_between(text, colon);
    rest = slice_from_cstr(colon + 1);
    bool has_brackets = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (has_brackets) host = slice_of(host.ptr + 1, host.len - 2);
    if (!has_brackets && slice_find_byte(host, ':') < host.len) return false;
  }
  if (!rest.len || rest.len > 5 || host.len >= sizeof out->host) return false;
  unsigned port = 0;
  for (size_t i = 0; i < rest.len; i++) {
    if (!ascii_is_digit(rest.ptr[i])) return false;
    port = port * 10 + (unsigned)(rest.ptr[i] - '0');
  }
  snprintf(out->host, sizeof out->host, "%.*s", SLICE_ARG(host));
  snprintf(out->port, sizeof out->port, "%u", port % 100000);
  return port <= 65535;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------------ */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, struct slice text) {
  struct MHD_Response *response = MHD_create_response_from_buffer(text.len, (void *)(uintptr_t)text.ptr, MHD_RESPMEM_MUST_COPY);
  if (!response) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  enum MHD_Result result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result answer_metrics(struct listener *listener, struct MHD_Connection *connection) {
  pthread_mutex_lock(&listener->mutex);
  enum MHD_Result result = answer(connection, MHD_HTTP_OK, TEXT_METRICS, buf_slice(&listener->text));
  pthread_mutex_unlock(&listener->mutex);
  return result;
}

static enum MHD_Result answer_state(struct listener *listener, struct MHD_Connection *connection, bool is_health) {
  pthread_mutex_lock(&listener->mutex);
  int64_t published_at_us = listener->published_at_us;
  char text[sizeof listener->not_ready + 16];
  int len = snprintf(text, sizeof text, "%s\n", listener->not_ready);
  pthread_mutex_unlock(&listener->mutex);
  if (!published_at_us && !is_health)
    return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, TEXT_PLAIN, SLICE("starting: store and sources are being opened\n"));
  if (len > 1 && !is_health) return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, TEXT_PLAIN, slice_of(text, (size_t)len));
  int64_t silent_s = published_at_us ? (clock_monotonic_us() - published_at_us) / US_PER_SECOND : 0;
  if (silent_s < LISTENER_STUCK_S) return answer(connection, MHD_HTTP_OK, TEXT_PLAIN, SLICE("ok\n"));
  len = snprintf(text, sizeof text, "stuck: no batch and no wait for one has ended for %" PRId64 " s\n", silent_s);
  return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, TEXT_PLAIN, slice_of(text, (size_t)len));
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *body, size_t *body_len, void **state) {
  (void)version, (void)body, (void)state;
  if (*body_len) return MHD_NO;
  if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
    return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, TEXT_PLAIN, SLICE("only GET and HEAD\n"));
  if (strcmp(path, "/metrics") == 0) return answer_metrics(context, connection);
  if (strcmp(path, "/healthz") == 0) return answer_state(context, connection, true);
  if (strcmp(path, "/readyz") == 0) return answer_state(context, connection, false);
  return answer(connection, MHD_HTTP_NOT_FOUND, TEXT_PLAIN, SLICE("there are /metrics, /healthz and /readyz\n"));
}

/* ---- life --------------------------------------------------------------------------------------------------------------------- */

static void log_address(const struct listener *listener, const struct listen_address *address) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_BIND_PORT);
  char host[300];
  log_event(LOG_INFO, "listening", "address=%s port=%u", log_value(host, sizeof host, slice_from_cstr(address->host)),
            info ? info->port : 0u);
}

struct listener *listener_new(const struct listen_address *address, struct error *err) {
  struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
  int code = getaddrinfo(address->host, address->port, &hints, &found);
  if (code) {
    error_set(err, ERROR_USAGE, "cannot listen on %s: %s", address->host, gai_strerror(code));
    return NULL;
  }
  struct listener *listener = memory_zeroed(sizeof *listener);
  pthread_mutex_init(&listener->mutex, NULL);
  unsigned flags = MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | (found->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0u);
  errno = 0;
  listener->daemon =
      MHD_start_daemon(flags, 0, NULL, NULL, handle, listener, MHD_OPTION_SOCK_ADDR, found->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
                       CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S, MHD_OPTION_END);
  int errnum = errno;
  freeaddrinfo(found);
  if (listener->daemon) {
    log_address(listener, address);
    return listener;
  }
  error_set_errno(err, ERROR_INPUT, errnum, "cannot listen on %s, port %s", address->host, address->port);
  listener_free(listener);
  return NULL;
}

void listener_free(struct listener *listener) {
  if (!listener) return;
  if (listener->daemon) MHD_stop_daemon(listener->daemon);
  pthread_mutex_destroy(&listener->mutex);
  buf_deinit(&listener->text);
  free(listener);
}

void listener_publish(struct listener *listener, struct buf *text, const char *not_ready) {
  pthread_mutex_lock(&listener->mutex);
  struct buf before = listener->text;
  listener->text = *text;
  listener->published_at_us = clock_monotonic_us();
  snprintf(listener->not_ready, sizeof listener->not_ready, "%s", not_ready ? not_ready : "");
  pthread_mutex_unlock(&listener->mutex);
  buf_deinit(&before);
  *text = (struct buf){0};
}
