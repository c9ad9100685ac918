// Bare sockets over epoll, in one thread: what the machine itself asks for a look, and the targets that every contender looks at.
//   sockets serve INTERVAL_MS           Two ports on every address of 127/8; prints both. Commands on stdin, one a line, each answered by a line:
//                                       stat                      looks, open connections, and how far the gaps between two looks at one address were
//                                                                 off the interval, in ms; counts anew
//                                       answer|hang|silent|refuse how the second port behaves: as the first; accepts and never answers; drops; refuses
//   sockets look PORT TARGETS INTERVAL_MS [connect]   Looks at 127.1.x.y forever: connects, asks, reads a status, resets.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define ADDRESSES 65536
#define GAPS_MAX 1000000
#define BACKLOG 4096
static const char ANSWER[] = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n";
static const char REQUEST[] = "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";

static int loop;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void must(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void watch(int fd, uint32_t events, uint64_t tag) {
  struct epoll_event e = {.events = events, .data.u64 = tag};
  must(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e) == 0, "epoll_ctl");
}

static void reset(int fd) {
  struct linger now = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(fd);
}

// ---- serve ----

enum { ON_STDIN = 1ULL << 40, ON_FIRST, ON_SECOND, HUNG = 1ULL << 41 };

static int listeners[2], ports[2];
static int hangs;
static long looks, open_now;
static double interval_ms, last_ms[2][ADDRESSES];
static double gaps_ms[GAPS_MAX];
static long gaps;

static void listen_on(int which, int backlog) {
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(ports[which])};
  socklen_t size = sizeof a;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  must(bind(fd, (struct sockaddr *)&a, size) == 0 && listen(fd, backlog) == 0, "listen");
  getsockname(fd, (struct sockaddr *)&a, &size);
  ports[which] = ntohs(a.sin_port);
  listeners[which] = fd;
}

static void behave(const char *how) {
  if (listeners[1] >= 0) close(listeners[1]);
  listeners[1] = -1;
  hangs = strcmp(how, "hang") == 0;
  if (strcmp(how, "refuse") == 0) return;
  // A full queue drops what else arrives: one connection that nobody accepts fills it.
  int drops = strcmp(how, "silent") == 0;
  listen_on(1, drops ? 0 : BACKLOG);
  if (!drops) watch(listeners[1], EPOLLIN, ON_SECOND);
}

static void took(int which, const struct sockaddr_in *to) {
  double *last = &last_ms[which][ntohl(to->sin_addr.s_addr) % ADDRESSES], at = now_ms();
  if (*last > 0 && gaps < GAPS_MAX) {
    double off = at - *last - interval_ms;
    gaps_ms[gaps++] = off < 0 ? -off : off;
  }
  *last = at;
  looks++;
}

static void accept_all(int which) {
  for (;;) {
    int fd = accept4(listeners[which], NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    struct sockaddr_in to;
    socklen_t size = sizeof to;
    getsockname(fd, (struct sockaddr *)&to, &size);
    took(which, &to);
    open_now++;
    watch(fd, EPOLLIN, (uint64_t)fd | (which == 1 && hangs ? HUNG : 0));
  }
}

static void serve_one(uint64_t tag) {
  static char request[4096];
  int fd = tag & 0xffffffff;
  long n = read(fd, request, sizeof request);
  if (n > 0) {
    if (!(tag & HUNG) && write(fd, ANSWER, sizeof ANSWER - 1) < 0) n = -1;
  }
  if (n > 0 || (n < 0 && errno == EAGAIN)) return;
  close(fd);
  open_now--;
}

static int ascending(const void *a, const void *b) {
  double d = *(const double *)a - *(const double *)b;
  return (d > 0) - (d < 0);
}

static void tell(void) {
  qsort(gaps_ms, gaps, sizeof *gaps_ms, ascending);
  double p99 = gaps ? gaps_ms[gaps * 99 / 100] : 0, most = gaps ? gaps_ms[gaps - 1] : 0;
  printf("{\"looks\":%ld,\"open\":%ld,\"gapP99Ms\":%.2f,\"gapMaxMs\":%.2f}\n", looks, open_now, p99, most);
  looks = gaps = 0;
}

// Between two contenders nobody looks: such a gap is no contender's.
static void forget(void) {
  memset(last_ms, 0, sizeof last_ms);
  looks = gaps = 0;
}

static void command(void) {
  static char line[256];
  if (fgets(line, sizeof line, stdin) == NULL) exit(0);
  line[strcspn(line, "\n")] = 0;
  if (strcmp(line, "stat") == 0) tell();
  else if (strcmp(line, "forget") == 0) forget(), printf("{}\n");
  else behave(line), printf("{}\n");
  fflush(stdout);
}

static void serve(void) {
  struct epoll_event events[EVENTS_MAX];
  listen_on(0, BACKLOG);
  listen_on(1, BACKLOG);
  setvbuf(stdin, NULL, _IONBF, 0);
  watch(0, EPOLLIN, ON_STDIN);
  watch(listeners[0], EPOLLIN, ON_FIRST);
  watch(listeners[1], EPOLLIN, ON_SECOND);
  printf("{\"ports\":[%d,%d]}\n", ports[0], ports[1]);
  fflush(stdout);
  for (;;) {
    int n = epoll_wait(loop, events, EVENTS_MAX, -1);
    for (int i = 0; i < n; i++) {
      uint64_t tag = events[i].data.u64;
      if (tag == ON_STDIN) command();
      else if (tag == ON_FIRST) accept_all(0);
      else if (tag == ON_SECOND) accept_all(1);
      else serve_one(tag);
    }
  }
}

// ---- look ----

static void start_look(int port, int i) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f010000u + i)};
  if (fd < 0) return;
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) close(fd);
  else watch(fd, EPOLLOUT, (uint64_t)fd);
}

static void look_on(struct epoll_event *event, int connect_only) {
  static char answer[4096];
  int fd = event->data.u64, failed = 0;
  socklen_t size = sizeof failed;
  if (event->events & EPOLLOUT) {
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size);
    if (failed == 0 && !connect_only && write(fd, REQUEST, sizeof REQUEST - 1) > 0) {
      struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)fd};
      epoll_ctl(loop, EPOLL_CTL_MOD, fd, &e);
      return;
    }
  } else {
    long n = read(fd, answer, sizeof answer);
    if (n < 12 || memcmp(answer + 9, "200", 3) != 0) fprintf(stderr, "not a 200\n");
  }
  reset(fd);
}

static void look(int port, int targets, double every_ms, int connect_only) {
  struct epoll_event events[EVENTS_MAX];
  double origin = now_ms();
  for (long done = 0;;) {
    double due = origin + (double)done / targets * every_ms, now = now_ms();
    for (; due <= now; due = origin + (double)done / targets * every_ms) start_look(port, done++ % targets);
    int n = epoll_wait(loop, events, EVENTS_MAX, due - now < 1 ? 1 : (int)(due - now));
    for (int i = 0; i < n; i++) look_on(&events[i], connect_only);
  }
}

int main(int argc, char **argv) {
  struct rlimit files;
  signal(SIGPIPE, SIG_IGN);
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  loop = epoll_create1(0);
  if (argc == 3 && strcmp(argv[1], "serve") == 0) interval_ms = atof(argv[2]), serve();
  else if (argc >= 5 && strcmp(argv[1], "look") == 0) look(atoi(argv[2]), atoi(argv[3]), atof(argv[4]), argc > 5);
  return 2;
}
