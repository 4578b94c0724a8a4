/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Unix sockets: streams, datagrams, sequenced packets, addresses and every refusal, and descriptors sent through them,
 * a heap's buffer among them.
 */
#include "heaps.h"
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static socklen_t address(struct sockaddr_un *at, const char *path)
{
	memset(at, 0, sizeof(*at));
	at->sun_family = AF_UNIX;
	strcpy(at->sun_path, path);
	return sizeof(*at);
}

static void creating(void)
{
	int pair[2];

	check_ok("stream", socket(AF_UNIX, SOCK_STREAM, 0));
	check_ok("datagram", socket(AF_UNIX, SOCK_DGRAM, 0));
	check_ok("sequenced packets", socket(AF_UNIX, SOCK_SEQPACKET, 0));
	check_ok("raw", socket(AF_UNIX, SOCK_RAW, 0));
	check_ok("type 9", socket(AF_UNIX, 9, 0));
	check_ok("type 77", socket(AF_UNIX, 77, 0));
	check_ok("protocol 1", socket(AF_UNIX, SOCK_STREAM, 1));
	check_ok("protocol 2", socket(AF_UNIX, SOCK_STREAM, 2));
	check_ok("family 99", socket(99, SOCK_STREAM, 0));
	check_ok("family -1", socket(-1, SOCK_STREAM, 0));
	check("SOCK_CLOEXEC", fcntl(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), F_GETFD));
	check_text("SOCK_NONBLOCK", "%o", fcntl(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), F_GETFL));
	check("a pair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	check("a pair to a bad address", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, BAD_ADDRESS));
	check("a pair of family 99", socketpair(99, SOCK_STREAM, 0, pair));
	close_range(3, ~0u, 0);
}

static void streams(void)
{
	int pair[2], type = 0;
	socklen_t length = sizeof(type);
	struct pollfd waits;
	struct stat stat;
	char bytes[32] = "";

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	fstat(pair[0], &stat);
	check_text("mode", "%o", stat.st_mode);
	check("write", write(pair[0], "hello", 5));
	check("send", send(pair[0], "world", 5, 0));
	check("MSG_PEEK", recv(pair[1], bytes, 3, MSG_PEEK));
	check("read over both", read(pair[1], bytes, sizeof(bytes)));
	check_text("what was read", "%s", bytes);
	check("MSG_DONTWAIT", recv(pair[1], bytes, 1, MSG_DONTWAIT));
	check("an unknown flag", recv(pair[1], bytes, 1, MSG_OOB));
	check("lseek", lseek(pair[0], 0, SEEK_SET));
	check("pread", pread(pair[0], bytes, 1, 0));
	check("ftruncate", ftruncate(pair[0], 0));
	check_map("mmap", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, pair[0], 0));
	check("sendto an address", sendto(pair[0], "x", 1, 0, (struct sockaddr *)bytes, 4));
	check("SO_TYPE", getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &type, &length));
	check("the type", type);
	check("SO_DOMAIN", (getsockopt(pair[0], SOL_SOCKET, SO_DOMAIN, &type, &length), type));
	check("SO_ERROR", (getsockopt(pair[0], SOL_SOCKET, SO_ERROR, &type, &length), type));
	check("an unknown option", getsockopt(pair[0], SOL_SOCKET, 9999, &type, &length));
	check("an unknown level", getsockopt(pair[0], 99, 1, &type, &length));
	waits = (struct pollfd){ pair[1], POLLIN | POLLOUT | POLLRDHUP, 0 };
	poll(&waits, 1, 0);
	check_text("poll, empty", "%x", waits.revents);
	write(pair[0], "x", 1);
	poll(&waits, 1, 0);
	check_text("poll, a byte", "%x", waits.revents);
	check("shutdown for writing", shutdown(pair[0], SHUT_WR));
	poll(&waits, 1, 0);
	check_text("poll, shut down", "%x", waits.revents);
	check("write after it", send(pair[0], "x", 1, MSG_NOSIGNAL));
	check("read what was sent", read(pair[1], bytes, 8));
	check("read the end", read(pair[1], bytes, 8));
	check("the other direction", write(pair[1], "y", 1));
	check("shutdown, an unknown way", shutdown(pair[0], 7));
	close(pair[0]);
	poll(&waits, 1, 0);
	check_text("poll, closed with data unread", "%x", waits.revents);
	check("read, closed with data unread", read(pair[1], bytes, 8));
	check("read again", read(pair[1], bytes, 8));
	check("write, closed", send(pair[1], "x", 1, MSG_NOSIGNAL));
	check("shutdown of a file", shutdown(0, SHUT_WR));
	check("send through a file", send(0, "x", 1, 0));
	check("send through -1", send(-1, "x", 1, 0));
	close_range(3, ~0u, 0);
}

static void datagrams(void)
{
	int pair[2], unbound = socket(AF_UNIX, SOCK_DGRAM, 0);
	char bytes[8] = "";

	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	check("send", send(pair[0], "first", 5, 0));
	check("send another", send(pair[0], "second", 6, 0));
	check("send nothing", send(pair[0], "", 0, 0));
	check("receive three bytes of the first", recv(pair[1], bytes, 3, 0));
	check("receive three of the second, its length", recv(pair[1], bytes, 3, MSG_TRUNC));
	check("receive nothing", recv(pair[1], bytes, 3, 0));
	check("receive none", recv(pair[1], bytes, 3, MSG_DONTWAIT));
	check("send unconnected", send(unbound, "x", 1, 0));
	check("listen", listen(pair[0], 1));
	close(pair[1]);
	check("send to nobody", send(pair[0], "x", 1, MSG_NOSIGNAL));
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
	send(pair[0], "one", 3, 0);
	send(pair[0], "two", 3, 0);
	check("sequenced, one at a time", recv(pair[1], bytes, 8, 0));
	close(pair[0]);
	check("sequenced, the last", recv(pair[1], bytes, 8, 0));
	check("sequenced, the end", recv(pair[1], bytes, 8, 0));
	close_range(3, ~0u, 0);
}

static void addresses(void)
{
	struct sockaddr_un at, name;
	socklen_t length = address(&at, "socket"), got;
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0), accepted;
	int other = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct ucred who;
	struct stat stat;
	char byte;

	unlink("socket");
	check("connect to nothing", connect(client, (struct sockaddr *)&at, length));
	check("listen unbound", listen(server, 1));
	check("bind", bind(server, (struct sockaddr *)&at, length));
	check("bind again", bind(server, (struct sockaddr *)&at, length));
	check("bind another there", bind(client, (struct sockaddr *)&at, length));
	lstat("socket", &stat);
	check_text("its mode", "%o", stat.st_mode);
	check_ok("open it", open("socket", O_RDWR));
	check("connect before listen", connect(client, (struct sockaddr *)&at, length));
	check("accept before listen", accept(server, NULL, NULL));
	check("listen", listen(server, 1));
	check("accept, nobody there", (fcntl(server, F_SETFL, O_NONBLOCK), accept(server, NULL, NULL)));
	check("connect", connect(client, (struct sockaddr *)&at, length));
	check("connect again", connect(client, (struct sockaddr *)&at, length));
	check("connect, room in the queue", connect(other, (struct sockaddr *)&at, length));
	check("connect, the queue full", connect(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&at, length));
	check("write before accept", write(client, "a", 1));
	accepted = (int)check_ok("accept", accept4(server, NULL, NULL, SOCK_CLOEXEC));
	check("its FD_CLOEXEC", fcntl(accepted, F_GETFD));
	check("read there", read(accepted, &byte, 1));
	got = sizeof(name);
	check("getsockname", getsockname(accepted, (struct sockaddr *)&name, &got));
	check_text("the name", "%s, %d bytes", name.sun_path, got);
	got = sizeof(name);
	check("getpeername of the client", getpeername(client, (struct sockaddr *)&name, &got));
	got = sizeof(name);
	check("getsockname of the client", getsockname(client, (struct sockaddr *)&name, &got));
	check("its length", got);
	check("getpeername of the server", getpeername(server, (struct sockaddr *)&name, &got));
	got = sizeof(who);
	check("SO_PEERCRED", getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &got));
	check_true("who it is", who.pid == getpid() && who.uid == 0);
	check("accept4, an unknown flag", accept4(server, NULL, NULL, 1));
	check("accept on a connected one", accept(client, NULL, NULL));
	check("connect to a file", (close(file_with("file", "")), address(&at, "file"), connect(other, (struct sockaddr *)&at, length)));
	check("bind over a file", bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, length));
	check("a datagram socket to a stream", (address(&at, "socket"), connect(socket(AF_UNIX, SOCK_DGRAM, 0), (struct sockaddr *)&at, length)));
	at.sun_family = AF_INET;
	check("a foreign family", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, length));
	check("bind a foreign family", bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, length));
	at.sun_family = AF_UNIX;
	check("an address too short", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, 1));
	check("an address too long", bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, sizeof(at) + 1));
	check("bind to any name", bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, sizeof(at.sun_family)));
	close(server);
	check("connect when the server has gone", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, length));
	memcpy(at.sun_path, "\0abstract", 9);
	server = socket(AF_UNIX, SOCK_STREAM, 0);
	length = offsetof(struct sockaddr_un, sun_path) + 9;
	check("bind an abstract name", bind(server, (struct sockaddr *)&at, length));
	check("bind it twice", bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, length));
	listen(server, 1);
	check("connect to it", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, length));
	close_range(3, ~0u, 0);
	check("connect to a name that has gone", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, length));
	close_range(3, ~0u, 0);
}

/* Sends descriptors with one byte. */
static long send_descriptors(int socket, const int *fds, size_t count, size_t length)
{
	char byte = 'd';
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(300 * sizeof(int))];
	} control = { 0 };
	struct iovec vector = { &byte, 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes,
				  .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = length ?: CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	return sendmsg(socket, &message, MSG_DONTWAIT);
}

/* Receives them; their number, and the flags that came with the message. */
static long receive_descriptors(int socket, int *fds, size_t room, int flags, int *came_with)
{
	char byte;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(300 * sizeof(int))];
	} control = { 0 };
	struct iovec vector = { &byte, 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes,
				  .msg_controllen = room };
	struct cmsghdr *header;

	if (recvmsg(socket, &message, flags | MSG_DONTWAIT) < 0)
		return -1;
	*came_with = message.msg_flags;
	header = CMSG_FIRSTHDR(&message);
	if (!header)
		return 0;
	memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	return (long)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
}

static void descriptors(void)
{
	static int many[300];
	int pair[2], fds[300], got[300], flags, heap, buffer;
	size_t room = CMSG_SPACE(300 * sizeof(int));
	char *mapped;

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	fds[0] = file_with("file", "0123456789");
	fds[1] = dup(0);
	lseek(fds[0], 4, SEEK_SET);
	check("send two", send_descriptors(pair[0], fds, 2, 0));
	close(fds[0]);
	check("receive two", receive_descriptors(pair[1], got, room, 0, &flags));
	check("the position comes along", lseek(got[0], 0, SEEK_CUR));
	check("FD_CLOEXEC", fcntl(got[0], F_GETFD));
	fds[0] = got[0];
	send_descriptors(pair[0], fds, 1, 0);
	receive_descriptors(pair[1], got, room, MSG_CMSG_CLOEXEC, &flags);
	check("FD_CLOEXEC with MSG_CMSG_CLOEXEC", fcntl(got[0], F_GETFD));
	fds[1] = -1;
	check("send -1", send_descriptors(pair[0], fds, 2, 0));
	fds[1] = 999;
	check("send a closed one", send_descriptors(pair[0], fds, 2, 0));
	check("nothing came", recv(pair[1], many, 1, MSG_DONTWAIT));
	check("send none", send_descriptors(pair[0], fds, 0, 0));
	check("receive none", receive_descriptors(pair[1], got, room, 0, &flags));
	check("a header too short", send_descriptors(pair[0], fds, 1, 4));
	check("a header too long", send_descriptors(pair[0], fds, 1, 4096));
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = 0;
	check("send 253", send_descriptors(pair[0], many, 253, 0));
	check("receive 253", receive_descriptors(pair[1], got, room, 0, &flags));
	for (size_t i = 0; i < 253; i++)
		close(got[i]);
	check("send 254", send_descriptors(pair[0], many, 254, 0));
	send_descriptors(pair[0], fds, 1, 0);
	check("receive without room", receive_descriptors(pair[1], got, 0, 0, &flags));
	check_text("its flags", "%x", flags & ~MSG_CMSG_CLOEXEC);
	send_descriptors(pair[0], many, 3, 0);
	check("receive with room for one", receive_descriptors(pair[1], got, CMSG_LEN(sizeof(int)), 0, &flags));
	check_text("its flags then", "%x", flags & ~MSG_CMSG_CLOEXEC);
	send_descriptors(pair[0], many, 1, 0);
	check("MSG_PEEK has them, too", receive_descriptors(pair[1], got, room, MSG_PEEK, &flags));
	check("and they are still there", receive_descriptors(pair[1], got, room, 0, &flags));
	send_descriptors(pair[0], pair, 2, 0);
	check("a socket through itself", receive_descriptors(pair[1], got, room, 0, &flags));
	send_descriptors(pair[0], many, 1, 0);
	check("read drops them", read(pair[1], many, 1));
	heap = open_system_heap();
	buffer = allocate(heap, PAGE, O_RDWR | O_CLOEXEC);
	close(heap);
	mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	mapped[0] = 'b';
	munmap(mapped, PAGE);
	check("send a buffer", send_descriptors(pair[0], &buffer, 1, 0));
	close(buffer);
	check("receive it", receive_descriptors(pair[1], &buffer, room, 0, &flags));
	mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	check("its content", mapped == MAP_FAILED ? -1 : mapped[0]);
	check("its size", lseek(buffer, 0, SEEK_END));
	check("a socket in flight in itself", send_descriptors(pair[0], pair, 2, 0));
	close_range(3, ~0u, 0);
}

int main(void)
{
	begin();
	subject = "socket";
	creating();
	subject = "stream";
	streams();
	subject = "datagram";
	datagrams();
	subject = "address";
	addresses();
	subject = "rights";
	descriptors();
	return finish();
}
