/*
 * The app behind every contender of the router benchmark: one thread, epoll, answers from memory.
 * GET / gives 150 bytes, GET /big gives 1 MiB, an upgrade gives 101 and an echo. Started by run.ts: backend PORT.
 * Must never be the bottleneck and never look at more of a request than it has to.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BIG_BYTES = 1 << 20, SMALL_BYTES = 150, INPUT_BYTES = 32768, EVENTS = 256 };

struct peer {
	int fd;
	int is_echo;
	size_t used;
	size_t big_left;
	char input[INPUT_BYTES];
};

static char big_body[BIG_BYTES];
static char small_reply[512];
static size_t small_reply_bytes;
static char big_head[128];
static int epoll_fd;

static void drop(struct peer *peer)
{
	close(peer->fd);
	free(peer);
}

static void want(struct peer *peer, unsigned events)
{
	struct epoll_event event = { .events = events, .data.ptr = peer };
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, peer->fd, &event);
}

/* Sends what is left of a big body; returns -1 when the peer is gone. */
static int push_big(struct peer *peer)
{
	while (peer->big_left > 0) {
		ssize_t sent = send(peer->fd, big_body + BIG_BYTES - peer->big_left, peer->big_left, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN) {
			want(peer, EPOLLIN | EPOLLOUT);
			return 0;
		}
		if (sent < 0)
			return -1;
		peer->big_left -= (size_t)sent;
	}
	want(peer, EPOLLIN);
	return 0;
}

static int reply(struct peer *peer, const char *head, size_t head_bytes)
{
	static const char switching[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
					"Upgrade: websocket\r\n"
					"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	if (memmem(head, head_bytes, "pgrade: websocket", 17)) {
		peer->is_echo = 1;
		return send(peer->fd, switching, sizeof switching - 1, MSG_NOSIGNAL) < 0 ? -1 : 0;
	}
	if (strncmp(head, "GET /big", 8) == 0) {
		if (send(peer->fd, big_head, strlen(big_head), MSG_NOSIGNAL) < 0)
			return -1;
		peer->big_left = BIG_BYTES;
		return push_big(peer);
	}
	return send(peer->fd, small_reply, small_reply_bytes, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int take_heads(struct peer *peer)
{
	char *start = peer->input;
	size_t left = peer->used;
	while (left > 0) {
		char *end = memmem(start, left, "\r\n\r\n", 4);
		if (!end)
			break;
		size_t head_bytes = (size_t)(end - start) + 4;
		if (reply(peer, start, head_bytes) < 0)
			return -1;
		start += head_bytes;
		left -= head_bytes;
	}
	memmove(peer->input, start, left);
	peer->used = left;
	return 0;
}

static void serve(struct peer *peer, unsigned events)
{
	if (peer->big_left > 0 && (events & EPOLLOUT) && push_big(peer) < 0) {
		drop(peer);
		return;
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	ssize_t got = recv(peer->fd, peer->input + peer->used, INPUT_BYTES - peer->used, 0);
	if (got <= 0) {
		if (got == 0 || errno != EAGAIN)
			drop(peer);
		return;
	}
	if (peer->is_echo) {
		send(peer->fd, peer->input, (size_t)got, MSG_NOSIGNAL);
		return;
	}
	peer->used += (size_t)got;
	if (take_heads(peer) < 0)
		drop(peer);
}

static int listen_on(int port)
{
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((unsigned short)port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) {
		perror("listen");
		exit(1);
	}
	return fd;
}

static void welcome(int listener)
{
	for (;;) {
		int one = 1;
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		struct peer *peer = malloc(sizeof *peer);
		if (!peer)
			exit(1);
		peer->fd = fd;
		peer->is_echo = 0;
		peer->used = peer->big_left = 0;
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
	}
}

int main(int argc, char **argv)
{
	char body[SMALL_BYTES + 1];
	if (argc != 2) {
		fprintf(stderr, "usage: backend PORT\n");
		return 2;
	}
	memset(body, 'x', SMALL_BYTES);
	body[SMALL_BYTES] = 0;
	memset(big_body, 'y', BIG_BYTES);
	small_reply_bytes = (size_t)snprintf(small_reply, sizeof small_reply,
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", SMALL_BYTES, body);
	snprintf(big_head, sizeof big_head,
		"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", BIG_BYTES);
	int listener = listen_on(atoi(argv[1]));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		struct epoll_event ready[EVENTS];
		int count = epoll_wait(epoll_fd, ready, EVENTS, -1);
		for (int i = 0; i < count; i++) {
			if (ready[i].data.ptr)
				serve(ready[i].data.ptr, ready[i].events);
			else
				welcome(listener);
		}
	}
}
