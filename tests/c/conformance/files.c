/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Regular files: opening with each flag, reading and writing in every way, seeking, cutting.
 */
#include "check.h"
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static void opening(void)
{
	int fd, directory;

	unlink("new");
	check_ok("open what is not there", open("new", O_RDONLY));
	check_ok("create", open("new", O_RDWR | O_CREAT, 0666));
	check_ok("create again", open("new", O_RDWR | O_CREAT, 0666));
	check_ok("create exclusively", open("new", O_RDWR | O_CREAT | O_EXCL, 0666));
	check_ok("O_EXCL without O_CREAT", open("new", O_RDONLY | O_EXCL));
	check_ok("O_DIRECTORY on a file", open("new", O_RDONLY | O_DIRECTORY));
	check_ok("O_DIRECTORY and O_CREAT", open("new2", O_RDONLY | O_DIRECTORY | O_CREAT, 0666));
	check_ok("O_DIRECT", open("new", O_RDWR | O_DIRECT));
	check_ok("O_SYNC", open("new", O_RDWR | O_SYNC));
	check_ok("O_NOATIME", open("new", O_RDWR | O_NOATIME));
	check_ok("O_ASYNC", open("new", O_RDWR | O_ASYNC));
	check_ok("access mode 3", open("new", O_ACCMODE));
	check_ok("unknown flag bits", open("new", O_RDONLY | 1 << 30));
	check_ok("O_TMPFILE", open(".", O_RDWR | O_TMPFILE, 0600));
	check_ok("O_TMPFILE for reading", open(".", O_RDONLY | O_TMPFILE, 0600));
	check_ok("O_TMPFILE on a file", open("new", O_RDWR | O_TMPFILE, 0600));
	check_ok("a trailing slash", open("new/", O_RDONLY));
	check_ok("create with a trailing slash", open("new3/", O_RDWR | O_CREAT, 0666));
	check_ok("create a directory's name", open(".", O_RDONLY | O_CREAT, 0666));
	check_ok("a directory for writing", open(".", O_WRONLY));
	check_ok("a directory, truncated", open(".", O_RDONLY | O_TRUNC));
	check_ok("below a file", open("new/x", O_RDONLY));
	check_ok("create below what is not there", open("none/x", O_RDWR | O_CREAT, 0666));
	check_ok("an empty path", open("", O_RDONLY));
	check_ok("a null path", syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY, 0));
	check_ok("a bad path", syscall(SYS_openat, AT_FDCWD, BAD_ADDRESS, O_RDONLY, 0));
	directory = open(".", O_RDONLY | O_DIRECTORY);
	check_ok("openat a directory", openat(directory, "new", O_RDONLY));
	check_ok("openat a file", openat(open("new", O_RDONLY), "new", O_RDONLY));
	check_ok("openat -1", openat(-1, "new", O_RDONLY));
	check_ok("openat -1, absolute", openat(-1, "/dev/null", O_RDONLY));
	check_ok("openat 999", openat(999, "new", O_RDONLY));
	symlink("new", "link");
	symlink("loop", "loop");
	symlink("nowhere", "dangling");
	check_ok("through a link", open("link", O_RDONLY));
	check_ok("O_NOFOLLOW on a link", open("link", O_RDONLY | O_NOFOLLOW));
	check_ok("O_NOFOLLOW and O_PATH on a link", open("link", O_PATH | O_NOFOLLOW));
	check_ok("a link to itself", open("loop", O_RDONLY));
	check_ok("a dangling link", open("dangling", O_RDONLY));
	check_ok("create exclusively through a dangling link", open("dangling", O_RDWR | O_CREAT | O_EXCL, 0666));
	check_ok("create through a dangling link", open("dangling", O_RDWR | O_CREAT, 0666));
	check("what was created", access("nowhere", F_OK));
	fd = open("new", O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0666);
	check_text("F_GETFL", "%o", fcntl(fd, F_GETFL));
	fd = open("new", O_PATH);
	check_text("F_GETFL of O_PATH", "%o", fcntl(fd, F_GETFL));
	check("read through O_PATH", read(fd, &fd, 1));
	check("fchmod through O_PATH", fchmod(fd, 0600));
	check("lseek through O_PATH", lseek(fd, 0, SEEK_SET));
	check("F_SETFL through O_PATH", fcntl(fd, F_SETFL, 0));
	check_ok("F_DUPFD of O_PATH", fcntl(fd, F_DUPFD, 0));
	check("ftruncate through O_PATH", ftruncate(fd, 0));
	close_range(3, ~0u, 0);
}

static void long_names(void)
{
	static char name[PATH_MAX + 2];

	memset(name, 'n', 255);
	name[255] = '\0';
	check_ok("a name of 255", open(name, O_RDWR | O_CREAT, 0666));
	check("unlink a name of 255", unlink(name));
	name[255] = 'n';
	name[256] = '\0';
	check_ok("a name of 256", open(name, O_RDWR | O_CREAT, 0666));
	check_ok("a name of 256, looked up", open(name, O_RDONLY));
	for (size_t at = 0; at < PATH_MAX; at += 2)
		memcpy(name + at, "./", 2);
	name[PATH_MAX - 1] = '\0';
	check_ok("a path of 4095", open(name, O_RDONLY | O_DIRECTORY));
	name[PATH_MAX - 1] = '/';
	name[PATH_MAX] = '\0';
	check_ok("a path of 4096", open(name, O_RDONLY | O_DIRECTORY));
	close_range(3, ~0u, 0);
}

static void reading_and_writing(void)
{
	int fd = file_with("file", "0123456789"), read_only = open("file", O_RDONLY);
	int write_only = open("file", O_WRONLY), append = open("file", O_RDWR | O_APPEND);
	char bytes[32] = "";

	check("read", read(fd, bytes, 4));
	check_text("what was read", "%s", bytes);
	check("read at the end", lseek(fd, 0, SEEK_END) < 0 ? -1 : read(fd, bytes, 4));
	check("read nothing", read(fd, bytes, 0));
	check("read to a bad address", (lseek(fd, 0, SEEK_SET), read(fd, BAD_ADDRESS, 4)));
	check("position after that", lseek(fd, 0, SEEK_CUR));
	check("read nothing to a bad address", read(fd, BAD_ADDRESS, 0));
	check("read to a kernel address", read(fd, KERNEL_ADDRESS, 4));
	check("read from a write-only file", read(write_only, bytes, 4));
	check("write to a read-only file", write(read_only, bytes, 4));
	check("write nothing to a read-only file", write(read_only, bytes, 0));
	check("read -1", read(-1, bytes, 4));
	check("read 2^63", read(fd, bytes, 1ul << 63));
	check("write from a bad address", write(fd, BAD_ADDRESS, 4));
	check("write from a kernel address", write(fd, KERNEL_ADDRESS, 4));
	check("write nothing from a bad address", write(fd, BAD_ADDRESS, 0));
	check("pread", pread(fd, bytes, 3, 5));
	check("position after pread", lseek(fd, 0, SEEK_CUR));
	check("pread past the end", pread(fd, bytes, 3, 100));
	check("pread at -1", pread(fd, bytes, 3, -1));
	check("pread at 2^63-1", pread(fd, bytes, 3, LONG_MAX));
	check("pwrite past the end", pwrite(fd, "x", 1, 19));
	check("size after it", lseek(fd, 0, SEEK_END));
	check("the hole", pread(fd, bytes, 1, 15) == 1 && bytes[0] == 0);
	check("pwrite at -1", pwrite(fd, "x", 1, -1));
	check("pwrite at 2^63-1", pwrite(fd, "x", 1, LONG_MAX));
	check("write at the end by O_APPEND", write(append, "abc", 3));
	check("position after it", lseek(append, 0, SEEK_CUR));
	check("pwrite by O_APPEND", pwrite(append, "z", 1, 0));
	check("size after pwrite by O_APPEND", lseek(fd, 0, SEEK_END));
	close_range(3, ~0u, 0);
}

static void vectors(void)
{
	int fd = file_with("file", "0123456789");
	char a[4] = "", b[4] = "";
	struct iovec both[2] = { { a, 3 }, { b, 3 } }, bad[2] = { { a, 3 }, { BAD_ADDRESS, 3 } };
	struct iovec huge[2] = { { a, 3 }, { b, (size_t)-1 } };
	static struct iovec many[1025];

	check("readv", readv(fd, both, 2));
	check_text("what was read by readv", "%s %s", a, b);
	check("readv of nothing", readv(fd, both, 0));
	check("readv of -1", readv(fd, both, -1));
	check("readv of 1025", readv(fd, many, 1025));
	check("readv of 1024", readv(fd, many, 1024));
	check("readv, a bad second part", (lseek(fd, 0, SEEK_SET), readv(fd, bad, 2)));
	check("readv, a huge second part", readv(fd, huge, 2));
	check("readv, bad vectors", readv(fd, BAD_ADDRESS, 1));
	check("writev", (lseek(fd, 0, SEEK_SET), writev(fd, both, 2)));
	check("writev, a bad second part", writev(fd, bad, 2));
	check("preadv", preadv(fd, both, 2, 1));
	check("preadv at -1", preadv(fd, both, 2, -1));
	check("pwritev", pwritev(fd, both, 2, 4));
	check("preadv2 at -1", preadv2(fd, both, 2, -1, 0));
	check("preadv2, an unknown flag", preadv2(fd, both, 2, 0, 1 << 20));
	check("preadv2, RWF_NOWAIT", preadv2(fd, both, 2, 0, RWF_NOWAIT));
	check("pwritev2, RWF_APPEND", pwritev2(fd, both, 2, 0, RWF_APPEND));
	close(fd);
}

static void seeking(void)
{
	int fd = file_with("file", "0123456789");

	check("SEEK_SET 3", lseek(fd, 3, SEEK_SET));
	check("SEEK_CUR 4", lseek(fd, 4, SEEK_CUR));
	check("SEEK_CUR -8", lseek(fd, -8, SEEK_CUR));
	check("SEEK_SET -1", lseek(fd, -1, SEEK_SET));
	check("SEEK_END 100", lseek(fd, 100, SEEK_END));
	check("read there", read(fd, &fd, 1));
	check("SEEK_SET 2^63-1", lseek(fd, LONG_MAX, SEEK_SET));
	check("SEEK_CUR 1 from there", lseek(fd, 1, SEEK_CUR));
	check("SEEK_DATA 0", lseek(fd, 0, SEEK_DATA));
	check("SEEK_DATA 10", lseek(fd, 10, SEEK_DATA));
	check("SEEK_HOLE 0", lseek(fd, 0, SEEK_HOLE));
	check("SEEK_HOLE 10", lseek(fd, 10, SEEK_HOLE));
	check("whence 5", lseek(fd, 0, 5));
	check("lseek -1", lseek(-1, 0, SEEK_SET));
	close(fd);
}

static void cutting(void)
{
	int fd = file_with("file", "0123456789"), read_only = open("file", O_RDONLY);
	struct stat stat;

	check("ftruncate 4", ftruncate(fd, 4));
	check("ftruncate 5000", ftruncate(fd, 5000));
	check("fstat", fstat(fd, &stat));
	check("its size", stat.st_size);
	check("its blocks", stat.st_blocks);
	check("ftruncate -1", ftruncate(fd, -1));
	check("ftruncate 2^63-1", ftruncate(fd, LONG_MAX));
	check("its size then", (fstat(fd, &stat), stat.st_size));
	check("ftruncate of a read-only file", ftruncate(read_only, 0));
	check("ftruncate -1 of a read-only file", ftruncate(read_only, -1));
	check("ftruncate of a directory", ftruncate(open(".", O_RDONLY), 0));
	check("ftruncate of a device", ftruncate(0, 0));
	check("ftruncate of -1", ftruncate(-1, 0));
	check("truncate", truncate("file", 3));
	check("truncate -1", truncate("file", -1));
	check("truncate a directory", truncate(".", 0));
	check("truncate what is not there", truncate("none", 0));
	check("truncate below a file", truncate("file/x", 0));
	check("truncate a device", truncate("/dev/null", 0));
	check("O_TRUNC", (close(open("file", O_WRONLY | O_TRUNC)), fstat(fd, &stat), stat.st_size));
	check("fallocate", fallocate(fd, 0, 0, 5000));
	check("fallocate, the size kept", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 50000));
	check("its size after both", (fstat(fd, &stat), stat.st_size));
	check("fallocate, nothing", fallocate(fd, 0, 0, 0));
	check("fallocate, from -1", fallocate(fd, 0, -1, 1));
	check("fallocate, an unknown mode", fallocate(fd, 0x100, 0, 1));
	check("fallocate, a hole", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	check("fallocate, a hole without the size kept", fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	check("fallocate of a read-only file", fallocate(read_only, 0, 0, 1));
	check("fallocate of a directory", fallocate(open(".", O_RDONLY), 0, 0, 1));
	close_range(3, ~0u, 0);
}

static void copying(void)
{
	int from = file_with("from", "0123456789"), to = file_with("to", ""), ends[2];
	off_t at = 4;

	check("sendfile", sendfile(to, from, NULL, 3));
	check("position after sendfile", lseek(from, 0, SEEK_CUR));
	check("sendfile from 4", sendfile(to, from, &at, 100));
	check("the offset after it", at);
	check("position as before", lseek(from, 0, SEEK_CUR));
	check("size of the copy", lseek(to, 0, SEEK_END));
	at = -1;
	check("sendfile from -1", sendfile(to, from, &at, 1));
	check("sendfile, a bad offset", sendfile(to, from, BAD_ADDRESS, 1));
	check("sendfile from a write-only file", sendfile(to, open("to", O_WRONLY), NULL, 1));
	check("sendfile to a read-only file", sendfile(open("to", O_RDONLY), from, NULL, 1));
	check("sendfile to O_APPEND", sendfile(open("to", O_RDWR | O_APPEND), from, NULL, 1));
	check("sendfile from a pipe", (pipe(ends), sendfile(to, ends[0], NULL, 1)));
	check("sendfile to a pipe", (lseek(from, 0, SEEK_SET), sendfile(ends[1], from, NULL, 5)));
	check("sendfile of nothing", sendfile(to, from, NULL, 0));
	check("copy_file_range", (lseek(from, 0, SEEK_SET), copy_file_range(from, NULL, to, NULL, 5, 0)));
	check("copy_file_range, a flag", copy_file_range(from, NULL, to, NULL, 5, 1));
	close_range(3, ~0u, 0);
}

static void ioctls(void)
{
	int fd = file_with("file", "0123456789"), count = -1;
	long size = -1;

	lseek(fd, 3, SEEK_SET);
	check("FIONREAD", ioctl(fd, FIONREAD, &count));
	check("what is left to read", count);
	check("FIOQSIZE", ioctl(fd, FIOQSIZE, &size));
	check("the size it says", size);
	check("FIGETBSZ", ioctl(fd, _IO(0, 2), &count));
	check("the block size it says", count);
	check("TCGETS", ioctl(fd, 0x5401, &count));
	check("an unknown ioctl", ioctl(fd, 0x1234, &count));
	check("FIONBIO", ioctl(fd, FIONBIO, &(int){ 1 }));
	check("FIONBIO, a bad pointer", ioctl(fd, FIONBIO, BAD_ADDRESS));
	check("FIOASYNC", ioctl(fd, FIOASYNC, &(int){ 1 }));
	check("FIOASYNC, off", ioctl(fd, FIOASYNC, &(int){ 0 }));
	check("FICLONE", ioctl(fd, 0x40049409, 0));
	check("ioctl -1", ioctl(-1, FIONREAD, &count));
	check("a directory's FIONREAD", ioctl(open(".", O_RDONLY), FIONREAD, &count));
	check("a directory's FIOQSIZE", ioctl(open(".", O_RDONLY), FIOQSIZE, &size));
	check("/dev/null's FIONREAD", ioctl(0, FIONREAD, &count));
	check("/dev/null's FIOQSIZE", ioctl(0, FIOQSIZE, &size));
	close_range(3, ~0u, 0);
}

static void devices(void)
{
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR);
	char bytes[8] = "xxxxxxx";

	check("read /dev/null", read(null, bytes, 8));
	check("write /dev/null", write(null, bytes, 8));
	check("write /dev/null from a bad address", write(null, BAD_ADDRESS, 8));
	check("lseek /dev/null", lseek(null, 5, SEEK_SET));
	check("read /dev/zero", read(zero, bytes, 8));
	check("what it read", bytes[0]);
	check("read /dev/zero to a bad address", read(zero, BAD_ADDRESS, 8));
	check("write /dev/zero", write(zero, bytes, 8));
	check("lseek /dev/zero", lseek(zero, 5, SEEK_SET));
	check("pread /dev/zero", pread(zero, bytes, 8, 100));
	check("read /dev/full", read(full, bytes, 8));
	check("write /dev/full", write(full, bytes, 8));
	check("write nothing to /dev/full", write(full, bytes, 0));
	check("read /dev/urandom", read(open("/dev/urandom", O_RDONLY), bytes, 8));
	check("read /dev/random", read(open("/dev/random", O_RDONLY), bytes, 8));
	check("fsync /dev/null", fsync(null));
	close_range(3, ~0u, 0);
}

static void synchronising(void)
{
	int fd = file_with("file", "0123456789"), ends[2];

	check("fsync", fsync(fd));
	check("fdatasync", fdatasync(fd));
	check("fsync a directory", fsync(open(".", O_RDONLY)));
	check("fsync a pipe", (pipe(ends), fsync(ends[0])));
	check("fsync -1", fsync(-1));
	check("syncfs", syncfs(fd));
	check("sync_file_range", sync_file_range(fd, 0, 0, 0));
	check("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
	check("posix_fadvise, an unknown advice", posix_fadvise(fd, 0, 0, 77));
	check("posix_fadvise of a pipe", posix_fadvise(ends[0], 0, 0, POSIX_FADV_NORMAL));
	check("readahead", readahead(fd, 0, 10));
	close_range(3, ~0u, 0);
}

int main(void)
{
	begin();
	subject = "opening";
	opening();
	subject = "long names";
	long_names();
	subject = "reading and writing";
	reading_and_writing();
	subject = "vectors";
	vectors();
	subject = "seeking";
	seeking();
	subject = "cutting";
	cutting();
	subject = "copying";
	copying();
	subject = "ioctls";
	ioctls();
	subject = "devices";
	devices();
	subject = "synchronising";
	synchronising();
	return finish();
}
