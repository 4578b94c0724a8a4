/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Names and what they lead to: FIFOs, device nodes, links, renames, owners, modes, times. TAP.
 * A plain Linux program: aarch64-linux-gnu-gcc -O2 -static -o names names.c; /tmp has to be a tmpfs.
 */
#define _GNU_SOURCE
#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>

static struct stat look(const char *path)
{
	struct stat stat = { 0 };

	lstat(path, &stat);
	return stat;
}

static void file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static int holds(const char *path, const char *text)
{
	char bytes[64] = "";
	int fd = open(path, O_RDONLY);
	long got = read(fd, bytes, sizeof(bytes) - 1);

	close(fd);
	return got == (long)strlen(text) && strcmp(bytes, text) == 0;
}

static void fifos(void)
{
	int reader, writer, both, status, size;
	char byte;
	pid_t child;
	struct pollfd poll_reader = { .events = POLLIN | POLLOUT };

	works(mkfifo("fifo", 0666), "mkfifo");
	is(look("fifo").st_mode, S_IFIFO | 0644, "a FIFO, less the umask");
	fails(mkfifo("fifo", 0666), EEXIST, "mkfifo of what is there");
	fails(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO, "to write without waiting where nobody reads");
	reader = open("fifo", O_RDONLY | O_NONBLOCK);
	works(reader, "to read without waiting");
	is(read(reader, &byte, 1), 0, "nobody writes: the end");
	poll_reader.fd = reader;
	is(poll(&poll_reader, 1, 0), 0, "but nobody has hung up yet");
	writer = open("fifo", O_WRONLY | O_NONBLOCK);
	works(writer, "now it can be written");
	fails(read(reader, &byte, 1), EAGAIN, "there is nothing");
	is(write(writer, "abc", 3), 3, "until it is");
	is(ioctl(reader, FIONREAD, &size) == 0 ? size : -1, 3, "FIONREAD");
	close(writer);
	is(poll(&poll_reader, 1, 0) == 1 ? poll_reader.revents : -1, POLLIN | POLLHUP, "the writer has hung up");
	is(read(reader, &byte, 1) == 1 ? byte : -1, 'a', "what it wrote is there");
	writer = open("fifo", O_WRONLY);
	works(writer, "another need not wait for the reader");
	close(reader);
	reader = open("fifo", O_RDONLY | O_NONBLOCK);
	is(read(reader, &byte, 1) == 1 ? byte : -1, 'b', "what is left stays as long as an end is open");
	close(reader);
	signal(SIGPIPE, SIG_IGN);
	fails(write(writer, "x", 1), EPIPE, "no reader: write");
	close(writer);
	both = open("fifo", O_RDWR);
	works(both, "for both");
	is(write(both, "r", 1) == 1 && read(both, &byte, 1) == 1 ? byte : -1, 'r', "one can talk to oneself");
	close(both);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		writer = open("fifo", O_WRONLY);
		_exit(write(writer, "hello", 5) == 5 ? 7 : 1);
	}
	reader = open("fifo", O_RDONLY);
	waitpid(child, &status, 0);
	is(WEXITSTATUS(status), 7, "two processes meet");
	close(reader);
	fails(pread(open("fifo", O_RDWR), &byte, 1, 0), ESPIPE, "pread");
	fails(lseek(open("fifo", O_RDWR), 0, SEEK_SET), ESPIPE, "lseek");
	works(unlink("fifo"), "unlinked");
}

static void pipe_sizes(void)
{
	int pipes[2], fd;
	char page[4096] = "";

	if (pipe2(pipes, O_NONBLOCK) != 0)
		return;
	is(fcntl(pipes[0], F_GETPIPE_SZ), 65536, "a pipe holds 64 KiB");
	is(fcntl(pipes[1], F_SETPIPE_SZ, 5000), 8192, "F_SETPIPE_SZ rounds up");
	is(fcntl(pipes[0], F_GETPIPE_SZ), 8192, "for both ends");
	is(write(pipes[1], page, 4096) + write(pipes[1], page, 4096), 8192, "so much fits");
	fails(write(pipes[1], page, 1), EAGAIN, "and no more");
	fails(fcntl(pipes[1], F_SETPIPE_SZ, 4096), EBUSY, "it cannot be made smaller than what it holds");
	is(fcntl(pipes[1], F_SETPIPE_SZ, 1 << 20), 1 << 20, "but larger");
	is(write(pipes[1], page, 1), 1, "and then there is room");
	is(fcntl(pipes[1], F_SETPIPE_SZ, 0), -1, "to nothing: no");
	fails(fcntl(pipes[1], F_SETPIPE_SZ, 0x80000001u), EINVAL, "to too much");
	fd = open("/dev/null", O_RDWR);
	fails(fcntl(fd, F_GETPIPE_SZ), EBADF, "of what is no pipe");
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

static void nodes(void)
{
	int fd;

	works(mknod("null", S_IFCHR | 0666, makedev(1, 3)), "mknod of /dev/null's number");
	fd = open("null", O_RDWR);
	is(write(fd, "x", 1), 1, "is /dev/null");
	close(fd);
	is(look("null").st_rdev, makedev(1, 3), "st_rdev");
	works(mknod("none", S_IFCHR | 0666, makedev(77, 3)), "of a number nobody has");
	fails(open("none", O_RDWR), ENXIO, "opened");
	works(mknod("block", S_IFBLK | 0600, makedev(7, 0)), "of a block device");
	fails(open("block", O_RDWR), ENXIO, "opened, with no such device");
	works(mknod("socket", S_IFSOCK | 0600, 0), "of a socket");
	fails(open("socket", O_RDWR), ENXIO, "which cannot be opened");
	works(mknod("plain", 0600, 0), "of no type");
	is(look("plain").st_mode, S_IFREG | 0600, "is a file");
	fails(mknod("dir", S_IFDIR | 0600, 0), EPERM, "of a directory");
	fails(mknod("odd", 0110000 | 0600, 0), EINVAL, "of an unknown type");
	unlink("null"), unlink("none"), unlink("block"), unlink("socket"), unlink("plain");
}

static void links(void)
{
	char path[64], text[128] = "";
	int fd;

	file("a", "A");
	works(link("a", "b"), "link");
	is(look("a").st_nlink, 2, "two names");
	fails(link("a", "b"), EEXIST, "link to what is there");
	fails(link(".", "c"), EPERM, "of a directory");
	fails(link("none", "c"), ENOENT, "of nothing");
	fails(link("a", "c/"), ENOENT, "to a name with a slash");
	works(symlink("a", "s"), "symlink");
	works(linkat(AT_FDCWD, "s", AT_FDCWD, "t", 0), "a link of a link");
	ok(S_ISLNK(look("t").st_mode) && look("t").st_ino == look("s").st_ino, "is that link");
	works(linkat(AT_FDCWD, "s", AT_FDCWD, "u", AT_SYMLINK_FOLLOW), "with AT_SYMLINK_FOLLOW");
	is(look("u").st_ino, look("a").st_ino, "it is the file");
	fails(linkat(AT_FDCWD, "a", AT_FDCWD, "v", 0x100), EINVAL, "with an unknown flag");
	fd = open("a", O_RDONLY);
	works(linkat(fd, "", AT_FDCWD, "e", AT_EMPTY_PATH), "with AT_EMPTY_PATH");
	close(fd);
	unlink("b"), unlink("s"), unlink("t"), unlink("u"), unlink("e");
	fails(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL, "O_TMPFILE to read alone");
	fails(open("a", O_TMPFILE | O_RDWR, 0600), ENOTDIR, "O_TMPFILE in a file");
	fd = open(".", O_TMPFILE | O_RDWR, 0666);
	works(fd, "O_TMPFILE");
	is(write(fd, "tmp", 3), 3, "written");
	sprintf(path, "/proc/self/fd/%d", fd);
	readlink(path, text, sizeof(text) - 1);
	ok(strncmp(text, "/tmp/names/#", 12) == 0 && strstr(text, " (deleted)"), "it has no name: %.12s", text);
	works(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), "until it is given one");
	ok(holds("named", "tmp") && look("named").st_nlink == 1 && look("named").st_mode == (S_IFREG | 0644),
	   "like any other");
	close(fd);
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0666);
	sprintf(path, "/proc/self/fd/%d", fd);
	fails(linkat(AT_FDCWD, path, AT_FDCWD, "never", AT_SYMLINK_FOLLOW), ENOENT, "with O_EXCL it is given none");
	close(fd);
	unlink("named"), unlink("a");
}

static int change(const char *from, const char *to, unsigned int flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void renames(void)
{
	file("a", "A");
	file("b", "B");
	mkdir("d", 0755);
	mkdir("d/sub", 0755);
	fails(change("a", "b", RENAME_NOREPLACE), EEXIST, "RENAME_NOREPLACE of what is there");
	works(change("a", "c", RENAME_NOREPLACE), "of what is not");
	works(change("c", "b", RENAME_EXCHANGE), "RENAME_EXCHANGE");
	ok(holds("b", "A") && holds("c", "B"), "they have changed places");
	works(change("b", "d", RENAME_EXCHANGE), "of a file and a directory");
	ok(S_ISDIR(look("b").st_mode) && holds("d", "A"), "likewise");
	is(look("b").st_nlink, 3, "links are counted");
	fails(change("b", "b/sub", RENAME_EXCHANGE), EINVAL, "of a directory and its child");
	fails(change("b/sub", "b", RENAME_EXCHANGE), EINVAL, "and the reverse");
	fails(change("c", "none", RENAME_EXCHANGE), ENOENT, "with nothing");
	fails(change("c", "d", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL, "both");
	fails(change("c", "d", 8), EINVAL, "an unknown flag");
	fails(change("c", "b", 0), EISDIR, "a file over a directory");
	fails(change("b", "c", 0), ENOTDIR, "a directory over a file");
	fails(change("b", "b/sub/x", 0), EINVAL, "into itself");
	mkdir("e", 0755);
	fails(change("e", "b", 0), ENOTEMPTY, "over one that is not empty");
	works(change("b/sub", "e", 0), "over one that is");
	works(change("c", "c", 0), "onto itself");
	fails(change("c", "f/", 0), ENOTDIR, "a file to a name with a slash");
	fails(change("c", ".", 0), EBUSY, "to .");
	fails(change("c", ".", RENAME_NOREPLACE), EEXIST, "to ., not replacing");
	fails(change("c", "/proc/x", 0), EXDEV, "to another filesystem");
	unlink("c"), unlink("d"), rmdir("b"), rmdir("e");
}

static void owners(void)
{
	struct statx more;
	int fd;

	umask(027);
	fd = open("o", O_RDWR | O_CREAT, 06777);
	is(look("o").st_mode, S_IFREG | 06750, "open keeps the bits that the umask leaves");
	works(mkdir("od", 03777), "mkdir");
	is(look("od").st_mode, S_IFDIR | 01750, "does not set the group's bit");
	umask(022);
	works(chmod("o", 06711), "chmod");
	works(chown("o", 5, 6), "chown");
	ok(look("o").st_uid == 5 && look("o").st_gid == 6, "gives it away");
	is(look("o").st_mode, S_IFREG | 0711, "and takes what would let it run as its owner");
	works(fchown(fd, -1, 7), "fchown of the group alone");
	ok(look("o").st_uid == 5 && look("o").st_gid == 7, "leaves the owner");
	symlink("o", "os");
	works(lchown("os", 9, 9), "lchown");
	ok(look("os").st_uid == 9 && look("o").st_uid == 5, "is about the link");
	works(fchownat(fd, "", 1, 1, AT_EMPTY_PATH), "fchownat with AT_EMPTY_PATH");
	fails(fchownat(AT_FDCWD, "o", 1, 1, 1), EINVAL, "with an unknown flag");
	fails(chown("none", 1, 1), ENOENT, "of nothing");
	works(chmod("os", 0600), "chmod of a link");
	is(look("o").st_mode, S_IFREG | 0600, "is about the file");
	works(faccessat(AT_FDCWD, "o", R_OK | W_OK, 0), "faccessat");
	fails(faccessat(AT_FDCWD, "o", X_OK, 0), EACCES, "what nobody may execute");
	fails(syscall(SYS_faccessat2, AT_FDCWD, "o", 8, 0), EINVAL, "an unknown right");
	fails(syscall(SYS_faccessat2, AT_FDCWD, "o", 0, 1), EINVAL, "an unknown flag");
	works(syscall(SYS_faccessat2, fd, "", R_OK, AT_EMPTY_PATH), "faccessat2 with AT_EMPTY_PATH");
	is(statx(AT_FDCWD, "o", 0, STATX_ALL, &more), 0, "statx");
	ok(more.stx_uid == 1 && more.stx_mode == (S_IFREG | 0600) && (more.stx_mask & 0x7ff) == 0x7ff, "the same");
	fails(statx(AT_FDCWD, "o", 0x6000, STATX_ALL, &more), EINVAL, "statx both ways");
	fails(statx(AT_FDCWD, "o", 0, 1u << 31, &more), EINVAL, "statx for the future");
	is(statx(AT_FDCWD, "/proc", 0, STATX_ALL, &more) == 0 && more.stx_attributes & STATX_ATTR_MOUNT_ROOT, 1,
	   "statx tells a filesystem's root");
	chmod("od", 02755);
	chown("od", 3, 33);
	file("od/f", "");
	mkdir("od/d", 0755);
	ok(look("od/f").st_gid == 33 && look("od/d").st_gid == 33, "what is made in a directory with the bit has its group");
	is(look("od/d").st_mode, S_IFDIR | 02755, "and a directory the bit");
	unlink("od/f"), rmdir("od/d"), rmdir("od"), unlink("os"), unlink("o");
	close(fd);
}

static void times(void)
{
	struct timespec set[2] = { { 1000000000, 5 }, { 2000000000, 7 } }, odd[2] = { { 0, UTIME_OMIT }, { 0, 1 << 30 } };
	struct timespec omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } }, half[2] = { { 0, UTIME_OMIT }, { 77, 0 } };
	struct stat stat;
	int fd;

	file("t", "x");
	works(utimensat(AT_FDCWD, "t", set, 0), "utimensat");
	stat = look("t");
	ok(stat.st_atim.tv_sec == 1000000000 && stat.st_atim.tv_nsec == 5, "the time of access");
	ok(stat.st_mtim.tv_sec == 2000000000 && stat.st_mtim.tv_nsec == 7, "and that of modification");
	works(utimensat(AT_FDCWD, "t", half, 0), "with UTIME_OMIT");
	stat = look("t");
	ok(stat.st_atim.tv_sec == 1000000000 && stat.st_mtim.tv_sec == 77, "one stays");
	works(utimensat(AT_FDCWD, "none", omit, 0), "with nothing to do nobody looks");
	fails(utimensat(AT_FDCWD, "t", odd, 0), EINVAL, "too many nanoseconds");
	fails(utimensat(AT_FDCWD, "t", set, 1), EINVAL, "an unknown flag");
	fails(utimensat(AT_FDCWD, "none", set, 0), ENOENT, "of nothing");
	fails(syscall(SYS_utimensat, AT_FDCWD, NULL, set, 0), EFAULT, "of no path");
	fd = open("t", O_RDWR);
	half[1].tv_sec = -5;
	works(futimens(fd, half), "futimens, before 1970");
	is(look("t").st_mtim.tv_sec, -5, "it was then");
	is(write(fd, "y", 1), 1, "a write");
	ok(look("t").st_mtim.tv_sec >= 0, "is now");
	symlink("t", "ts");
	works(utimensat(AT_FDCWD, "ts", set, AT_SYMLINK_NOFOLLOW), "of a link");
	ok(look("ts").st_mtim.tv_sec == 2000000000 && look("t").st_mtim.tv_sec != 2000000000, "leaves the file");
	close(fd);
	unlink("t"), unlink("ts");
}

int main(void)
{
	umask(022);
	if (mkdir("/tmp/names", 0755) != 0 || chdir("/tmp/names") != 0)
		return 1;
	fifos();
	pipe_sizes();
	nodes();
	links();
	renames();
	owners();
	times();
	works(chdir("/") == 0 ? rmdir("/tmp/names") : -1, "nothing is left");
	return done();
}
