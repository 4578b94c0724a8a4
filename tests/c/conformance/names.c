/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Names and what they lead to: directories, links, renaming and removing, status and times, umask and mode bits.
 */
#include "check.h"
#include <dirent.h>
#include <limits.h>
#include <linux/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>

static void make(const char *path)
{
	close(file_with(path, "content"));
}

static void directories(void)
{
	check("mkdir", mkdir("d", 0755));
	check("mkdir again", mkdir("d", 0755));
	check("mkdir with a trailing slash", mkdir("d/", 0755));
	check("mkdir a new one with a trailing slash", mkdir("d/e/", 0755));
	check("mkdir below what is not there", mkdir("none/x", 0755));
	check("mkdir .", mkdir(".", 0755));
	check("mkdir /", mkdir("/", 0755));
	check("mkdir an empty path", mkdir("", 0755));
	make("file");
	check("mkdir below a file", mkdir("file/x", 0755));
	check("mkdir over a file", mkdir("file", 0755));
	check("rmdir not empty", rmdir("d"));
	check("rmdir a file", rmdir("file"));
	check("rmdir what is not there", rmdir("none"));
	check("rmdir .", rmdir("."));
	check("rmdir ..", rmdir("d/.."));
	check("rmdir d/.", rmdir("d/."));
	check("rmdir /", rmdir("/"));
	check("rmdir d/e/", rmdir("d/e/"));
	check("rmdir", rmdir("d"));
	check("rmdir a mount point", rmdir("/dev"));
	check("mkdirat", mkdirat(AT_FDCWD, "d", 0755));
	check("mkdirat a file", mkdirat(open("file", O_RDONLY), "x", 0755));
	check("mkdirat -1", mkdirat(-1, "x", 0755));
	rmdir("d");
	close_range(3, ~0u, 0);
}

static void removing(void)
{
	struct stat stat;
	int fd;

	make("a");
	fd = open("a", O_RDWR);
	check("unlink an open file", unlink("a"));
	check("its links", (fstat(fd, &stat), (long)stat.st_nlink));
	check("writing to it", write(fd, "x", 1));
	check("unlink again", unlink("a"));
	mkdir("d", 0755);
	check("unlink a directory", unlink("d"));
	check("unlink .", unlink("."));
	check("unlink ..", unlink(".."));
	check("unlink /", unlink("/"));
	check("unlink an empty path", unlink(""));
	check("unlink below a file", (make("a"), unlink("a/x")));
	check("unlink with a trailing slash", unlink("a/"));
	check("unlinkat AT_REMOVEDIR", unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
	check("unlinkat AT_REMOVEDIR a file", unlinkat(AT_FDCWD, "a", AT_REMOVEDIR));
	check("unlinkat an unknown flag", unlinkat(AT_FDCWD, "a", 1));
	check("unlink a device", unlink("/dev/none"));
	check("unlink in /proc", unlink("/proc/version"));
	check("unlink in /sys", unlink("/sys/kernel"));
	close_range(3, ~0u, 0);
}

static void renaming(void)
{
	make("a");
	check("rename", rename("a", "b"));
	check("rename what is not there", rename("a", "b"));
	check("rename to itself", rename("b", "b"));
	make("a");
	check("rename over a file", rename("a", "b"));
	mkdir("d", 0755);
	mkdir("e", 0755);
	check("rename a file over a directory", rename("b", "d"));
	check("rename a directory over a file", rename("d", "b"));
	check("rename a directory over an empty one", rename("d", "e"));
	mkdir("e/f", 0755);
	mkdir("d", 0755);
	check("rename a directory over one that is not empty", rename("d", "e"));
	check("rename a directory into itself", rename("e", "e/f/g"));
	check("rename over the directory it is in", rename("e/f", "e"));
	check("rename .", rename(".", "x"));
	check("rename d/..", rename("d/..", "x"));
	check("rename to .", rename("d", "."));
	check("rename to another filesystem", rename("b", "/dev/x"));
	check("rename a file, trailing slash", rename("b", "c/"));
	check("rename a directory, trailing slash", rename("d/", "g/"));
	check("rename below a file", rename("g", "b/x"));
	check("rename to an empty path", rename("b", ""));
	make("a");
	check("RENAME_NOREPLACE", renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
	check("RENAME_NOREPLACE to a new name", renameat2(AT_FDCWD, "a", AT_FDCWD, "n", RENAME_NOREPLACE));
	check("RENAME_EXCHANGE", renameat2(AT_FDCWD, "n", AT_FDCWD, "b", RENAME_EXCHANGE));
	check("RENAME_EXCHANGE a file and a directory", renameat2(AT_FDCWD, "n", AT_FDCWD, "g", RENAME_EXCHANGE));
	check("RENAME_EXCHANGE with nothing", renameat2(AT_FDCWD, "b", AT_FDCWD, "none", RENAME_EXCHANGE));
	check("RENAME_EXCHANGE and RENAME_NOREPLACE",
	      renameat2(AT_FDCWD, "b", AT_FDCWD, "g", RENAME_EXCHANGE | RENAME_NOREPLACE));
	check("an unknown flag", renameat2(AT_FDCWD, "b", AT_FDCWD, "g", 1 << 10));
	check("rename a mount point", rename("/proc", "/proc2"));
}

static void linking(void)
{
	struct stat stat;
	char text[64];
	int fd;

	make("a");
	check("link", link("a", "hard"));
	check("links", (lstat("a", &stat), (long)stat.st_nlink));
	check("link again", link("a", "hard"));
	check("link what is not there", link("none", "hard2"));
	check("link a directory", link(".", "hard2"));
	check("link to another filesystem", link("a", "/dev/hard"));
	check("symlink", symlink("a", "soft"));
	check("symlink again", symlink("a", "soft"));
	check("symlink to nothing", symlink("", "soft2"));
	check("symlink at an empty path", symlink("a", ""));
	check("link a link", link("soft", "hard3"));
	check_true("it is a link", lstat("hard3", &stat) == 0 && S_ISLNK(stat.st_mode));
	check("link a link, followed", linkat(AT_FDCWD, "soft", AT_FDCWD, "hard4", AT_SYMLINK_FOLLOW));
	check_true("it is a file", lstat("hard4", &stat) == 0 && S_ISREG(stat.st_mode));
	check("linkat, an unknown flag", linkat(AT_FDCWD, "a", AT_FDCWD, "hard5", 1));
	fd = open("a", O_RDONLY);
	check("linkat, an empty path", linkat(fd, "", AT_FDCWD, "hard5", AT_EMPTY_PATH));
	check("readlink", readlink("soft", text, sizeof(text)));
	check("readlink, cut", readlink("soft", text, 0));
	check("readlink, one byte of a longer one", (symlink("abcdef", "soft3"), readlink("soft3", text, 1)));
	check("readlink a file", readlink("a", text, sizeof(text)));
	check("readlink a directory", readlink(".", text, sizeof(text)));
	check("readlink what is not there", readlink("none", text, sizeof(text)));
	check("readlink to a bad address", syscall(SYS_readlinkat, AT_FDCWD, "soft", BAD_ADDRESS, 8));
	check("readlink, size -1", syscall(SYS_readlinkat, AT_FDCWD, "soft", text, -1));
	fd = open("soft", O_PATH | O_NOFOLLOW);
	check("readlinkat an empty path", readlinkat(fd, "", text, sizeof(text)));
	check("readlinkat an empty path of a file", readlinkat(open("a", O_RDONLY), "", text, sizeof(text)));
	check("its size", (lstat("soft", &stat), stat.st_size));
	check("its permissions", stat.st_mode & 07777);
	symlink("loop2", "loop1");
	symlink("loop1", "loop2");
	check("a loop of two", access("loop1", F_OK));
	check("a trailing slash on a link to a file", access("soft/", F_OK));
	close_range(3, ~0u, 0);
}

static void chain(void)
{
	char from[16], to[16];
	int longest = 0;

	for (int i = 0; i < 50; i++) {
		snprintf(to, sizeof(to), i == 0 ? "a" : "c%d", i);
		snprintf(from, sizeof(from), "c%d", i + 1);
		symlink(to, from);
	}
	for (int i = 1; i <= 50; i++) {
		snprintf(from, sizeof(from), "c%d", i);
		if (access(from, F_OK) == 0)
			longest = i;
	}
	check("the longest chain of links", longest);
	check("a longer one", access("c50", F_OK));
}

static void status(void)
{
	struct statx extended;
	struct statfs filesystem;
	struct stat stat;
	int fd;

	make("s");
	chmod("s", 0644);
	check("stat", lstat("s", &stat));
	check_text("mode", "%o", stat.st_mode);
	check("size", stat.st_size);
	check("block size", stat.st_blksize);
	check("blocks", stat.st_blocks);
	check("links", (long)stat.st_nlink);
	check("stat a directory", lstat(".", &stat));
	check_true("it is one", S_ISDIR(stat.st_mode));
	mkdir("m", 0755);
	check("links of an empty directory", (lstat("m", &stat), (long)stat.st_nlink));
	mkdir("m/n", 0755);
	check("links with a subdirectory", (lstat("m", &stat), (long)stat.st_nlink));
	check("stat what is not there", lstat("none", &stat));
	check("stat to a bad address", syscall(SYS_newfstatat, AT_FDCWD, "s", BAD_ADDRESS, 0));
	check("stat an empty path", lstat("", &stat));
	check("stat a null path", syscall(SYS_newfstatat, AT_FDCWD, NULL, &stat, 0));
	check("stat with a trailing slash", lstat("s/", &stat));
	check("fstat -1", fstat(-1, &stat));
	fd = open("s", O_PATH);
	check("AT_EMPTY_PATH", fstatat(fd, "", &stat, AT_EMPTY_PATH));
	check("fstatat, an empty path without it", fstatat(fd, "", &stat, 0));
	check("fstatat, an unknown flag", fstatat(AT_FDCWD, "s", &stat, 1));
	check("statx", syscall(SYS_statx, AT_FDCWD, "s", 0, STATX_BASIC_STATS, &extended));
	check("the fields it has", extended.stx_mask & STATX_BASIC_STATS);
	check("the size it says", (long)extended.stx_size);
	check("statx, an unknown flag", syscall(SYS_statx, AT_FDCWD, "s", 1, STATX_BASIC_STATS, &extended));
	check("statx, the reserved bit", syscall(SYS_statx, AT_FDCWD, "s", 0, STATX__RESERVED, &extended));
	check("statx, both kinds of sync", syscall(SYS_statx, AT_FDCWD, "s", 0x6000, 0, &extended));
	check("statx of a descriptor", syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &extended));
	check("/dev/null's type", (lstat("/dev/null", &stat), stat.st_mode & S_IFMT));
	check("/dev/null's major", major(stat.st_rdev));
	check("/dev/null's minor", minor(stat.st_rdev));
	check("/dev/zero's minor", (lstat("/dev/zero", &stat), minor(stat.st_rdev)));
	check("statfs", statfs(".", &filesystem));
	check_text("the filesystem of the root", "%lx", (long)filesystem.f_type);
	check("its longest name", (long)filesystem.f_namelen);
	check("its block size", (long)filesystem.f_bsize);
	check_text("the filesystem of /proc", "%lx", (statfs("/proc", &filesystem), (long)filesystem.f_type));
	check_text("the filesystem of /sys", "%lx", (statfs("/sys", &filesystem), (long)filesystem.f_type));
	check_text("the filesystem of debugfs", "%lx", (statfs("/sys/kernel/debug", &filesystem), (long)filesystem.f_type));
	check_text("the filesystem of /dev", "%lx", (statfs("/dev", &filesystem), (long)filesystem.f_type));
	check("statfs what is not there", statfs("none", &filesystem));
	check("statfs to a bad address", syscall(SYS_statfs, ".", BAD_ADDRESS));
	check("fstatfs -1", fstatfs(-1, &filesystem));
	close_range(3, ~0u, 0);
}

static int permissions_of(const char *path)
{
	struct stat stat;

	return lstat(path, &stat) == 0 ? (int)(stat.st_mode & 07777) : -1;
}

static void permissions(void)
{
	check_text("umask", "%o", umask(027));
	check_text("umask again", "%o", umask(07777));
	check_text("umask keeps 777", "%o", umask(027));
	unlink("p");
	close(open("p", O_RDWR | O_CREAT, 0666));
	check_text("a file created with 666", "%o", permissions_of("p"));
	unlink("p");
	close(open("p", O_RDWR | O_CREAT, 07777));
	check_text("a file created with 7777", "%o", permissions_of("p"));
	mkdir("pd", 0777);
	check_text("a directory made with 777", "%o", permissions_of("pd"));
	mkdir("pe", 07777);
	check_text("a directory made with 7777", "%o", permissions_of("pe"));
	umask(022);
	check("chmod", chmod("p", 0));
	check_ok("open without any permission", open("p", O_RDWR));
	check("access R_OK", access("p", R_OK));
	check("access W_OK", access("p", W_OK));
	check("access X_OK", access("p", X_OK));
	chmod("p", 010);
	check("access X_OK where some may", access("p", X_OK));
	check("access X_OK of a directory", (chmod("pd", 0), access("pd", X_OK)));
	check("access 8", access("p", 8));
	check("access what is not there", access("none", F_OK));
	check("faccessat, an unknown flag", syscall(SYS_faccessat2, AT_FDCWD, "p", F_OK, 1));
	check("chmod 7777", chmod("p", 07777));
	check_text("what it is then", "%o", permissions_of("p"));
	check("chmod what is not there", chmod("none", 0));
	check("fchmod", fchmod(open("p", O_RDONLY), 0600));
	check("fchmod -1", fchmod(-1, 0600));
	check("chown", chown("p", 0, 0));
	check("chown -1", chown("p", -1, -1));
	check("lchown a link", (symlink("p", "pl"), lchown("pl", 0, 0)));
	close_range(3, ~0u, 0);
}

static void nodes(void)
{
	check("mknod a file", mknod("node", S_IFREG | 0600, 0));
	check("mknod again", mknod("node", S_IFREG | 0600, 0));
	check("mknod without a type", mknod("node0", 0600, 0));
	check("mknod a pipe", mknod("fifo", S_IFIFO | 0600, 0));
	check("mknod a device", mknod("null", S_IFCHR | 0600, makedev(1, 3)));
	check("writing to it", write(open("null", O_WRONLY), "x", 1));
	check("mknod a device that is not there", mknod("nodev", S_IFCHR | 0600, makedev(250, 99)));
	check_ok("opening it", open("nodev", O_RDWR));
	check("mknod a directory", mknod("noded", S_IFDIR | 0700, 0));
	check("mknod an unknown type", mknod("nodex", 0150000 | 0700, 0));
	close_range(3, ~0u, 0);
}

static void listing(void)
{
	struct entry {
		uint64_t ino;
		int64_t off;
		uint16_t reclen;
		uint8_t type;
		char name[];
	} *entry;
	char buffer[1024], found[512] = "";
	const char *expected[] = { ".", "..", "one", "sub", "two" };
	int fd, count = 0;
	long length;

	mkdir("list", 0755);
	make("list/one");
	symlink("one", "list/two");
	mkdir("list/sub", 0755);
	fd = open("list", O_RDONLY | O_DIRECTORY);
	length = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
	check_true("getdents64", length > 0);
	for (long at = 0; at < length; at += entry->reclen) {
		entry = (struct entry *)(buffer + at);
		count++;
		for (size_t i = 0; i < COUNT(expected); i++)
			if (strcmp(entry->name, expected[i]) == 0)
				snprintf(found + 16 * i, 16, "%s is %d", entry->name, entry->type);
		if (entry->reclen % 8 != 0 || entry->ino == 0)
			give_up("an entry");
	}
	check("entries", count);
	for (size_t i = 0; i < COUNT(expected); i++) {
		char name[32];

		snprintf(name, sizeof(name), "entry %s", expected[i]);
		check_text(name, "%s", found + 16 * i);
	}
	check("getdents64 at the end", syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
	check("getdents64 from the start", (lseek(fd, 0, SEEK_SET), syscall(SYS_getdents64, fd, buffer, sizeof(buffer)) == length));
	lseek(fd, 0, SEEK_SET);
	check("getdents64, too little room", syscall(SYS_getdents64, fd, buffer, 8));
	check("getdents64, no room", syscall(SYS_getdents64, fd, buffer, 0));
	check("getdents64, a bad address", syscall(SYS_getdents64, fd, BAD_ADDRESS, 1024));
	check("getdents64 of a file", syscall(SYS_getdents64, open("list/one", O_RDONLY), buffer, sizeof(buffer)));
	check("getdents64 of O_PATH", syscall(SYS_getdents64, open("list", O_PATH), buffer, sizeof(buffer)));
	check("read a directory", read(fd, buffer, sizeof(buffer)));
	check("write a directory", write(fd, buffer, 1));
	unlink("list/one");
	unlink("list/two");
	rmdir("list/sub");
	check("rmdir the open directory", rmdir("list"));
	check("getdents64 of a removed directory", (lseek(fd, 0, SEEK_SET), syscall(SYS_getdents64, fd, buffer, sizeof(buffer))));
	check_ok("create in a removed directory", openat(fd, "x", O_RDWR | O_CREAT, 0600));
	check_ok("open . in a removed directory", openat(fd, ".", O_RDONLY));
	check_ok("open .. in a removed directory", openat(fd, "..", O_RDONLY));
	close_range(3, ~0u, 0);
}

static void working_directory(void)
{
	char path[PATH_MAX];

	check("chdir", chdir("m"));
	check_text("getcwd", "%s", getcwd(path, sizeof(path)) ?: "?");
	check("getcwd's length", syscall(SYS_getcwd, path, sizeof(path)));
	check("getcwd, too little room", syscall(SYS_getcwd, path, 3));
	check("getcwd, a bad address", syscall(SYS_getcwd, BAD_ADDRESS, 100));
	check("chdir to a file", chdir("../a"));
	check("chdir to nothing", chdir("none"));
	check("chdir ..", chdir(".."));
	check("fchdir", fchdir(open("m", O_RDONLY)));
	check("fchdir O_PATH", fchdir(open("..", O_PATH)));
	check("fchdir a file", fchdir(open("a", O_RDONLY)));
	check("fchdir -1", fchdir(-1));
	mkdir("gone", 0755);
	chdir("gone");
	rmdir("../gone");
	check("getcwd of a removed directory", syscall(SYS_getcwd, path, sizeof(path)));
	check_ok("create in it", open("x", O_RDWR | O_CREAT, 0600));
	check("chdir .. from it", chdir(".."));
	check("chroot to a file", chroot("a"));
	check("chroot to nothing", chroot("none"));
	close_range(3, ~0u, 0);
}

/* Directories whose paths are as long as a path can be, and longer. */
static void deep(void)
{
	char name[201] = "", path[2 * PATH_MAX], link[64];
	int depth = 0, fd;

	memset(name, 'd', 200);
	for (; depth < 20; depth++)
		if (mkdir(name, 0755) != 0 || chdir(name) != 0)
			give_up("mkdir");
	/* /tmp/conformance, and twenty times 201 bytes. */
	for (int last = 58; last < 60; last++) {
		name[last] = '\0';
		mkdir(name, 0755);
		fd = open(name, O_RDONLY);
		fchdir(fd);
		subject = last == 58 ? "4095 bytes" : "4096 bytes";
		check("getcwd", syscall(SYS_getcwd, path, sizeof(path)));
		check("getcwd, room for less", syscall(SYS_getcwd, path, 4000));
		check("readlink cwd", readlink("/proc/self/cwd", path, sizeof(path)));
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		check("readlink fd", readlink(link, path, sizeof(path)));
		chdir("..");
		rmdir(name);
		check("readlink fd, removed", readlink(link, path, sizeof(path)));
		name[last] = 'd';
	}
	while (depth-- > 0) {
		chdir("..");
		rmdir(name);
	}
	close_range(3, ~0u, 0);
}

static void times(void)
{
	struct timespec set[2] = { { 1000, 5 }, { 2000, 7 } };
	struct stat stat;

	make("t");
	check("utimensat", utimensat(AT_FDCWD, "t", set, 0));
	lstat("t", &stat);
	check("accessed", stat.st_atim.tv_sec);
	check("modified", stat.st_mtim.tv_sec);
	check("modified, nanoseconds", stat.st_mtim.tv_nsec);
	set[0].tv_nsec = UTIME_OMIT;
	set[1] = (struct timespec){ 3000, 9 };
	check("utimensat, one omitted", utimensat(AT_FDCWD, "t", set, 0));
	lstat("t", &stat);
	check("accessed, as before", stat.st_atim.tv_sec);
	check("modified, anew", stat.st_mtim.tv_sec);
	set[1].tv_nsec = 1000000000;
	check("utimensat, too many nanoseconds", utimensat(AT_FDCWD, "t", set, 0));
	check("utimensat, now", utimensat(AT_FDCWD, "t", NULL, 0));
	check("utimensat, what is not there", utimensat(AT_FDCWD, "none", NULL, 0));
	check("utimensat, a bad address", syscall(SYS_utimensat, AT_FDCWD, "t", BAD_ADDRESS, 0));
	check("utimensat, an unknown flag", utimensat(AT_FDCWD, "t", NULL, 1));
	check("futimens", futimens(open("t", O_RDWR), NULL));
	close_range(3, ~0u, 0);
}

int main(void)
{
	begin();
	subject = "directories";
	directories();
	subject = "removing";
	removing();
	subject = "renaming";
	renaming();
	subject = "linking";
	linking();
	subject = "chain";
	chain();
	subject = "status";
	status();
	subject = "permissions";
	permissions();
	subject = "nodes";
	nodes();
	subject = "listing";
	listing();
	subject = "working directory";
	working_directory();
	deep();
	subject = "times";
	times();
	return finish();
}
