/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Files sent through unix sockets: a buffer handed from process to process while heap and sender go, what fits into a
 * message, credentials, files in flight that nobody can reach; and what signals and limits do to those who wait.
 */
#include "heaps.h"
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define LENGTH 16384ul
#define MANY 260

static void pair(int type, int ends[2])
{
	if (socketpair(AF_UNIX, type, 0, ends) != 0)
		give_up("socketpair");
}

/* Sends a byte and files. */
static ssize_t send_files(int to, const int *files, size_t count, int flags)
{
	char control[CMSG_SPACE(MANY * sizeof(int))] = { 0 };
	struct iovec part = { "f", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *head = (struct cmsghdr *)control;

	message.msg_control = control;
	message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(head), files, count * sizeof(int));
	return sendmsg(to, &message, flags);
}

struct received {
	ssize_t length;
	int flags;
	size_t control;
	int files[MANY];
	int count;
	struct ucred sender;
	int has_sender;
};

/* Receives up to eight bytes, with so much room for what comes along. */
static struct received receive(int from, size_t room, int flags)
{
	static char control[CMSG_SPACE(MANY * sizeof(int))];
	struct received got = { 0 };
	char bytes[8];
	struct iovec part = { bytes, sizeof(bytes) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_controllen = room };

	message.msg_control = room ? control : NULL;
	got.length = recvmsg(from, &message, flags);
	if (got.length < 0)
		return got;
	got.flags = message.msg_flags;
	got.control = message.msg_controllen;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
		if (head->cmsg_type == SCM_RIGHTS) {
			got.count = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(got.files, CMSG_DATA(head), (size_t)got.count * sizeof(int));
		} else if (head->cmsg_type == SCM_CREDENTIALS && head->cmsg_len == CMSG_LEN(sizeof(got.sender))) {
			memcpy(&got.sender, CMSG_DATA(head), sizeof(got.sender));
			got.has_sender = 1;
		}
	}
	return got;
}

static void close_files(const struct received *got)
{
	for (int i = 0; i < got->count; i++)
		close(got->files[i]);
}

static void check_received(const char *name, const struct received *got)
{
	if (got->length < 0)
		check(name, -1);
	else
		check_text(name, "%zd, flags %#x, control %zu, %d files", got->length, (unsigned)got->flags,
			   got->control, got->count);
}

/* Whether the other end has gone. */
static int alone(int fd)
{
	struct pollfd entry = { fd, POLLIN, 0 };

	return poll(&entry, 1, 0) >= 0 && entry.revents & POLLHUP;
}

/* The same where that may take a while: Linux looks for what nobody can reach by and by. */
static int alone_soon(int fd)
{
	struct pollfd entry = { fd, 0, 0 };

	return poll(&entry, 1, 5000) == 1 && entry.revents & POLLHUP;
}

static uint32_t *map_buffer(int buffer)
{
	uint32_t *words = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);

	if (words == MAP_FAILED)
		give_up("mmap");
	return words;
}

/* The receiver of a buffer: writes to it and sends it back. */
static int use_and_return(int socket, int started)
{
	struct received got = receive(socket, CMSG_SPACE(sizeof(int)), 0);
	uint32_t *words;
	char byte;

	/* Until its sender has closed it and the heap. */
	if (got.count != 1 || read(started, &byte, 1) != 0)
		return 1;
	words = map_buffer(got.files[0]);
	for (size_t i = 0; i < LENGTH / sizeof(*words); i++) {
		if (words[i] != i * 3)
			return 2;
		words[i] = (uint32_t)i * 5;
	}
	if (sync_buffer(got.files[0], SYNC_RW) || sync_buffer(got.files[0], SYNC_RW | SYNC_END))
		return 3;
	if (lseek(got.files[0], 0, SEEK_END) != LENGTH || send_files(socket, got.files, 1, 0) != 1)
		return 4;
	return 0;
}

static void buffers(void)
{
	int heap = open_system_heap(), buffer = allocate(heap, LENGTH, O_RDWR | O_CLOEXEC);
	int ends[2], started[2], status, wrong = 0;
	struct received got;
	uint32_t *words;
	pid_t child;

	pair(SOCK_STREAM, ends);
	pair(SOCK_STREAM, started);
	if (buffer < 0 || (child = fork()) < 0)
		give_up("a buffer and a child");
	if (child == 0) {
		close(buffer);
		close(heap);
		close(ends[0]);
		close(started[0]);
		_exit(use_and_return(ends[1], started[1]));
	}
	close(ends[1]);
	close(started[1]);
	words = map_buffer(buffer);
	for (size_t i = 0; i < LENGTH / sizeof(*words); i++)
		words[i] = (uint32_t)i * 3;
	check("a buffer is sent", send_files(ends[0], &buffer, 1, 0));
	check("and unmapped", munmap(words, LENGTH));
	check("and closed", close(buffer));
	check("and its heap, too", close(heap));
	close(started[0]);
	if (waitpid(child, &status, 0) != child)
		give_up("waitpid");
	check_status("its receiver uses it, sends it back and ends", status);
	got = receive(ends[0], CMSG_SPACE(sizeof(int)), MSG_CMSG_CLOEXEC);
	check_received("it was in flight with nobody to hold it", &got);
	if (got.count != 1)
		give_up("the buffer");
	check("close-on-exec", fcntl(got.files[0], F_GETFD));
	check("its size", lseek(got.files[0], 0, SEEK_END));
	words = map_buffer(got.files[0]);
	for (size_t i = 0; i < LENGTH / sizeof(*words); i++)
		wrong += words[i] != i * 5;
	check("words that differ", wrong);
	munmap(words, LENGTH);
	check("sent again, to nobody", send_files(ends[0], got.files, 1, MSG_NOSIGNAL));
	close_files(&got);
	close(ends[0]);
}

static void refusals(void)
{
	int ends[2], files[MANY];
	struct {
		struct cmsghdr head;
		int data[4];
	} control = { { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS }, { 0 } };
	struct iovec part = { "r", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control };
	static const size_t lengths[] = { 0, 8, 15, 16, 17, 20, 24, 32, 20479, 20480, 1ul << 32 };
	char name[64];

	pair(SOCK_DGRAM, ends);
	for (int i = 0; i < MANY; i++)
		files[i] = 0;
	check("no files", send_files(ends[0], files, 0, 0));
	check("253 files", send_files(ends[0], files, 253, 0));
	check("254 files", send_files(ends[0], files, 254, 0));
	files[1] = -1;
	check("descriptor -1", send_files(ends[0], files, 2, 0));
	files[1] = 1000;
	check("descriptor 1000", send_files(ends[0], files, 2, 0));
	files[1] = open("/tmp", O_PATH);
	check("one of O_PATH", send_files(ends[0], files, 2, 0));
	close(files[1]);
	for (size_t i = 0; i < COUNT(lengths); i++) {
		message.msg_controllen = lengths[i];
		snprintf(name, sizeof(name), "control of %zu bytes", lengths[i]);
		check(name, sendmsg(ends[0], &message, 0));
	}
	message.msg_controllen = sizeof(control);
	for (size_t length = 0; length < 40; length += 4) {
		control.head.cmsg_len = length;
		snprintf(name, sizeof(name), "cmsg_len %zu", length);
		check(name, sendmsg(ends[0], &message, 0));
	}
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	for (int type = 0; type < 6; type++) {
		control.head.cmsg_type = type;
		snprintf(name, sizeof(name), "cmsg_type %d", type);
		check(name, sendmsg(ends[0], &message, 0));
	}
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_level = 77;
	check("cmsg_level 77", sendmsg(ends[0], &message, 0));
	message.msg_control = BAD_ADDRESS;
	check("control that is not there", sendmsg(ends[0], &message, 0));
	message.msg_control = NULL;
	check("control at null", sendmsg(ends[0], &message, 0));
	message.msg_controllen = 0;
	message.msg_iovlen = 1025;
	check("1025 parts", sendmsg(ends[0], &message, 0));
	message.msg_iovlen = 1;
	message.msg_name = &part;
	message.msg_namelen = (socklen_t)-1;
	check("a name of -1 bytes", sendmsg(ends[0], &message, 0));
	close(ends[0]);
	close(ends[1]);
}

static void room(void)
{
	int ends[2], files[3] = { 0, 1, 2 };
	struct received got;
	char name[64];

	pair(SOCK_DGRAM, ends);
	for (size_t size = 0; size <= 40; size += 4) {
		send_files(ends[0], files, 3, 0);
		got = receive(ends[1], size, 0);
		snprintf(name, sizeof(name), "3 files in %zu bytes", size);
		check_received(name, &got);
		close_files(&got);
	}
	send_files(ends[0], files, 3, 0);
	for (int i = 0; i < 2; i++) {
		got = receive(ends[1], 64, MSG_PEEK);
		check_received(i ? "peeked at again" : "peeked at", &got);
		close_files(&got);
	}
	got = receive(ends[1], 64, MSG_CMSG_CLOEXEC);
	check_received("received at last", &got);
	close_files(&got);
	close(ends[0]);
	close(ends[1]);
}

/* Files in a stream: where one recvmsg ends. */
static void streams(void)
{
	int ends[2], files[2] = { 0, 1 };
	struct received got;
	char name[64];

	pair(SOCK_STREAM | SOCK_NONBLOCK, ends);
	check("two bytes", send(ends[0], "ab", 2, 0));
	check("a byte with a file", send_files(ends[0], files, 1, 0));
	check("a byte with two", send_files(ends[0], files, 2, 0));
	check("two bytes more", send(ends[0], "yz", 2, 0));
	for (int i = 0; i < 4; i++) {
		got = receive(ends[1], 64, MSG_PEEK);
		snprintf(name, sizeof(name), "part %d, peeked at", i);
		check_received(name, &got);
		close_files(&got);
		got = receive(ends[1], 64, 0);
		snprintf(name, sizeof(name), "part %d, received", i);
		check_received(name, &got);
		close_files(&got);
	}
	check("a byte with a file, and read", send_files(ends[0], files, 1, 0));
	check("one byte", read(ends[1], &got, 1));
	got = receive(ends[1], 64, 0);
	check_received("its file is gone", &got);
	close(ends[0]);
	close(ends[1]);
}

static void check_sender(const char *name, const struct received *got)
{
	if (got->length < 0)
		check(name, -1);
	else if (!got->has_sender)
		check_text(name, "%zd, flags %#x, nobody", got->length, (unsigned)got->flags);
	else
		check_text(name, "%zd, flags %#x, %s %u:%u", got->length, (unsigned)got->flags,
			   got->sender.pid == getpid() ? "self" : got->sender.pid ? "other" : "0", got->sender.uid,
			   got->sender.gid);
}

static ssize_t send_as(int to, pid_t pid, uid_t uid, gid_t gid)
{
	struct {
		struct cmsghdr head;
		struct ucred cred;
	} control = { { CMSG_LEN(sizeof(struct ucred)), SOL_SOCKET, SCM_CREDENTIALS }, { pid, uid, gid } };
	struct iovec part = { "c", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	return sendmsg(to, &message, 0);
}

static void credentials(void)
{
	int ends[2], on = 1, status;
	struct received got;
	char name[64];

	pair(SOCK_STREAM | SOCK_NONBLOCK, ends);
	send(ends[0], "a", 1, 0);
	check("SO_PASSCRED", setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	send(ends[0], "b", 1, 0);
	if (fork() == 0)
		_exit(send(ends[0], "c", 1, 0) != 1);
	wait(&status);
	send(ends[0], "d", 1, 0);
	send(ends[0], "e", 1, 0);
	for (int i = 0; i < 5; i++) {
		got = receive(ends[1], 64, 0);
		snprintf(name, sizeof(name), "who sent, %d", i);
		check_sender(name, &got);
	}
	check("as oneself", send_as(ends[0], getpid(), 0, 0));
	check("as another user", send_as(ends[0], getpid(), 12, 34));
	check("as process 1", send_as(ends[0], 1, 0, 0));
	check("as nobody", send_as(ends[0], 0, 0, 0));
	check("as nobody there is", send_as(ends[0], 4000000, 0, 0));
	check("as no user", send_as(ends[0], getpid(), (uid_t)-1, 0));
	for (int i = 0; i < 4; i++) {
		got = receive(ends[1], 64, 0);
		snprintf(name, sizeof(name), "who says to have sent, %d", i);
		check_sender(name, &got);
	}
	for (size_t size = 0; size <= 32; size += 8) {
		send(ends[0], "x", 1, 0);
		got = receive(ends[1], size, 0);
		snprintf(name, sizeof(name), "who sent, in %zu bytes", size);
		check_sender(name, &got);
		snprintf(name, sizeof(name), "what that took of %zu bytes", size);
		check(name, (long)got.control);
	}
	close(ends[0]);
	close(ends[1]);
}

/* The last close of a socket looks for files in flight that nobody can reach. */
static void look(void)
{
	int ends[2];

	pair(SOCK_DGRAM, ends);
	close(ends[0]);
	close(ends[1]);
}

static void cycles(void)
{
	int a[2], b[2], seen[2], both[2];

	pair(SOCK_DGRAM, a);
	pair(SOCK_STREAM, seen);
	both[0] = a[1];
	both[1] = seen[0];
	check("a socket is sent to itself", send_files(a[0], both, 2, 0));
	close(seen[0]);
	look();
	check_true("it is gone", alone(seen[1]));
	close(a[1]);
	check_true("it is gone when it is closed", alone(seen[1]));
	look();
	check_true("and when somebody looks", alone_soon(seen[1]));
	check("send to it", send(a[0], "x", 1, 0));
	close(a[0]);
	close(seen[1]);

	pair(SOCK_DGRAM, a);
	pair(SOCK_DGRAM, b);
	pair(SOCK_STREAM, seen);
	both[0] = b[1];
	both[1] = seen[0];
	check("one is sent to another", send_files(a[0], both, 2, 0));
	check("and that to the one", send_files(b[0], &a[1], 1, 0));
	close(seen[0]);
	close(a[1]);
	look();
	check_true("both are gone while one is open", alone(seen[1]));
	close(b[1]);
	look();
	check_true("and when none is", alone_soon(seen[1]));
	close(a[0]);
	close(b[0]);
	close(seen[1]);
}

/* Each within the next: their ends must not need a stack that deep. */
static void nested(void)
{
	int seen[2], held, ends[2];

	pair(SOCK_STREAM, seen);
	held = seen[0];
	for (int i = 0; i < 500; i++) {
		pair(SOCK_DGRAM, ends);
		if (send_files(ends[0], &held, 1, 0) != 1)
			give_up("sendmsg");
		close(held);
		close(ends[0]);
		held = ends[1];
	}
	check_true("500 within each other are gone", alone(seen[1]));
	close(held);
	check_true("and when the outermost is closed", alone(seen[1]));
	close(seen[1]);
}

/* What an epoll says now. */
static void check_edge(const char *name, int watch)
{
	struct epoll_event event;
	int count = epoll_wait(watch, &event, 1, 0);

	if (count == 1)
		check_text(name, "%#x", (unsigned)event.events);
	else
		check(name, count);
}

static void alarmed(int signal)
{
	(void)signal;
}

/* What a signal does to one who waits, with a handler that lets calls go on and without, and with a limit of time. */
static void signals(void)
{
	struct sigaction action = { .sa_handler = alarmed };
	struct itimerval soon = { { 0, 0 }, { 0, 30000 } }, never = { 0 };
	struct timeval second = { 1, 0 };
	int ends[2];
	char byte;
	pid_t child;

	pair(SOCK_STREAM, ends);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	check("recv, interrupted", recv(ends[0], &byte, 1, 0));
	setitimer(ITIMER_REAL, &soon, NULL);
	check("read, interrupted", read(ends[0], &byte, 1));
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, NULL);
	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	setitimer(ITIMER_REAL, &soon, NULL);
	check("recv with SA_RESTART and SO_RCVTIMEO", recv(ends[0], &byte, 1, 0));
	second.tv_sec = 0;
	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	child = fork();
	if (child == 0) {
		usleep(100000);
		_exit(send(ends[1], "s", 1, 0) != 1);
	}
	setitimer(ITIMER_REAL, &soon, NULL);
	check("recv with SA_RESTART", recv(ends[0], &byte, 1, 0));
	setitimer(ITIMER_REAL, &never, NULL);
	waitpid(child, NULL, 0);
	signal(SIGALRM, SIG_DFL);
	close(ends[0]);
	close(ends[1]);
}

/* What epoll says of a socket, watched for edges: a new one for what comes, none for what goes. */
static void edges(void)
{
	int watch = epoll_create1(0), a[2], sent[1] = { 0 };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
	struct received got;
	char byte;

	pair(SOCK_STREAM | SOCK_NONBLOCK, a);
	check("EPOLL_CTL_ADD", epoll_ctl(watch, EPOLL_CTL_ADD, a[0], &event));
	check_edge("at first", watch);
	check_edge("and again", watch);
	send(a[1], "xy", 2, 0);
	check_edge("two bytes came", watch);
	check("one is read", read(a[0], &byte, 1));
	check_edge("one byte went", watch);
	send(a[1], "z", 1, 0);
	check_edge("another came", watch);
	send(a[0], "o", 1, 0);
	check_edge("one was sent", watch);
	check("which is received", read(a[1], &byte, 1));
	check_edge("which makes room", watch);
	shutdown(a[1], SHUT_WR);
	check_edge("its peer sends no more", watch);
	/* In flight it is watched as before, though nobody has it but a queue. */
	send_files(a[0], &a[1], 1, 0);
	check_edge("its peer is in flight", watch);
	close(a[1]);
	check_edge("and nobody else has it", watch);
	close(a[0]);
	close(watch);

	watch = epoll_create1(0);
	pair(SOCK_DGRAM | SOCK_NONBLOCK, a);
	sent[0] = watch;
	check("an epoll is sent", send_files(a[0], sent, 1, 0));
	close(watch);
	got = receive(a[1], 64, 0);
	check_received("received", &got);
	event.data.u64 = 7;
	check("it watches", epoll_ctl(got.files[0], EPOLL_CTL_ADD, a[1], &event));
	check_edge("and tells", got.files[0]);
	close_files(&got);
	close(a[0]);
	close(a[1]);
}

/* How much a socket takes before it would block. */
static long capacity(int type, size_t size, int limit)
{
	static char bytes[1 << 18];
	int ends[2];
	long total = 0;
	ssize_t sent;

	pair(type | SOCK_NONBLOCK, ends);
	if (limit)
		setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &limit, sizeof(limit));
	while ((sent = send(ends[0], bytes, size, 0)) > 0)
		total += sent;
	close(ends[0]);
	close(ends[1]);
	return total;
}

static void limits(void)
{
	static const size_t sizes[] = { 1, 63, 64, 65, 192, 193, 500, 1000, 3776, 3777, 4096, 5000, 16064, 16065, 20000,
					36544, 36545, 100000, 212960, 212961 };
	char name[64];

	for (size_t i = 0; i < COUNT(sizes); i++) {
		snprintf(name, sizeof(name), "a stream, in sends of %zu", sizes[i]);
		check(name, capacity(SOCK_STREAM, sizes[i], 0));
		snprintf(name, sizeof(name), "datagrams of %zu", sizes[i]);
		check(name, capacity(SOCK_DGRAM, sizes[i], 0));
		snprintf(name, sizeof(name), "a stream with a limit of 8000, in sends of %zu", sizes[i]);
		check(name, capacity(SOCK_STREAM, sizes[i], 8000));
	}
}

int main(void)
{
	begin();
	buffers();
	refusals();
	room();
	streams();
	credentials();
	cycles();
	nested();
	signals();
	edges();
	limits();
	return finish();
}
