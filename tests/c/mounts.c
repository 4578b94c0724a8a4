/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Mounting, unmounting, and what /proc and statfs say of it. TAP.
 * A plain Linux program, for root: aarch64-linux-gnu-gcc -O2 -static -o mounts mounts.c
 */
#define _GNU_SOURCE
#include "tap.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define HERE "/tmp/mounts"

static char text[8192];

static const char *all_of(const char *path)
{
	int fd = open(path, O_RDONLY);
	long got, length = 0;

	while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += got;
	close(fd);
	text[length] = 0;
	return text;
}

static int make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	return fd < 0 ? fd : close(fd);
}

static long write_to(const char *path, long bytes)
{
	static char page[4096];
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	long done = 0, put;

	while (done < bytes && (put = write(fd, page, sizeof(page))) > 0)
		done += put;
	close(fd);
	return done;
}

static void memory(void)
{
	struct statfs fs;
	struct stat before, after;
	int fd;

	stat(HERE, &before);
	make(HERE "/covered");
	works(mount("a name", HERE, "tmpfs", 0, "size=64k,mode=700"), "mount of tmpfs");
	stat(HERE, &after);
	ok(after.st_dev != before.st_dev && after.st_mode == (S_IFDIR | 0700), "another filesystem is there");
	fails(access(HERE "/covered", F_OK), ENOENT, "what was there is covered");
	ok(strstr(all_of("/proc/mounts"), "a\\040name " HERE " tmpfs rw,relatime,size=64k,mode=700") != NULL,
	   "/proc/mounts shows it");
	ok(strstr(all_of("/proc/self/mountinfo"), " / " HERE " rw,relatime - tmpfs a\\040name rw,size=64k,mode=700") != NULL,
	   "/proc/self/mountinfo, too");
	is(statfs(HERE, &fs), 0, "statfs");
	ok(fs.f_type == 0x01021994 && fs.f_bsize == 4096 && fs.f_blocks == 16 && fs.f_bfree == 16, "16 pages");
	is(write_to(HERE "/f", 1 << 20), 64 << 10, "hold what they can");
	statfs(HERE, &fs);
	is(fs.f_bfree, 0, "nothing is left");
	fd = open(HERE "/g", O_RDWR | O_CREAT, 0600);
	fails(write(fd, "x", 1), ENOSPC, "write");
	fails(fallocate(fd, 0, 0, 4096), ENOSPC, "fallocate");
	works(truncate(HERE "/f", 4096), "some is given back");
	is(write(fd, "x", 1), 1, "and taken");
	works(mount("none", HERE, NULL, MS_REMOUNT, "size=128k"), "remounted larger");
	statfs(HERE, &fs);
	is(fs.f_blocks, 32, "32 pages");
	fails(mount("none", HERE, NULL, MS_REMOUNT, "size=4k"), EINVAL, "not smaller than what is taken");
	fails(umount(HERE), EBUSY, "umount while a file is open");
	close(fd);
	works(chdir(HERE), "or a directory current");
	fails(umount(HERE), EBUSY, "either");
	works(chdir("/"), "neither");
	mkdir(HERE "/inner", 0755);
	works(mount("none", HERE "/inner", "tmpfs", 0, NULL), "a mount in it");
	fails(umount(HERE), EBUSY, "likewise");
	fails(rmdir(HERE "/inner"), EBUSY, "it cannot be removed");
	fails(rename(HERE "/inner", HERE "/outer"), EBUSY, "nor renamed");
	fails(rename(HERE "/f", "/tmp/f"), EXDEV, "nor a file moved out");
	fails(link(HERE "/f", "/tmp/f"), EXDEV, "or linked");
	works(umount(HERE "/inner"), "umount of that");
	works(umount(HERE), "and of it");
	works(access(HERE "/covered", F_OK), "what was covered is there again");
	ok(strstr(all_of("/proc/mounts"), HERE) == NULL, "and nothing mounted");
	fails(umount(HERE), EINVAL, "once");
	unlink(HERE "/covered");
}

static void refusals(void)
{
	make(HERE "/file");
	fails(mount("none", HERE "/none", "tmpfs", 0, NULL), ENOENT, "on nothing");
	fails(mount("none", HERE "/file", "tmpfs", 0, NULL), ENOTDIR, "on a file");
	fails(mount("none", HERE "/file/x", "tmpfs", 0, NULL), ENOTDIR, "below a file");
	fails(mount("none", HERE, "nofs", 0, NULL), ENODEV, "of an unknown filesystem");
	fails(mount("none", HERE, NULL, 0, NULL), EINVAL, "of no filesystem");
	fails(mount("none", HERE, "tmpfs", 0, "size=much"), EINVAL, "of an odd size");
	fails(mount("none", HERE, "tmpfs", 0, "what=1"), EINVAL, "with an unknown option");
	fails(mount("none", "/sys", "sysfs", 0, NULL), EBUSY, "of what is mounted there");
	fails(umount("/dev"), EBUSY, "umount of what is in use");
	fails(mount("none", HERE, NULL, MS_REMOUNT, NULL), EINVAL, "again, of what is not mounted");
	fails(mount("none", nowhere, "tmpfs", 0, NULL), EFAULT, "on a path that is nowhere");
	fails(umount2(HERE, 0x100), EINVAL, "umount2 with an unknown flag");
	fails(umount(HERE "/none"), ENOENT, "umount of nothing");
	unlink(HERE "/file");
}

static void others(void)
{
	struct statfs fs;
	char path[64];

	works(mount("proc", HERE, "proc", 0, NULL), "proc, a second time");
	sprintf(path, HERE "/%d/comm", getpid());
	ok(strcmp(all_of(path), "mounts\n") == 0, "shows the same");
	is(statfs(HERE, &fs) == 0 ? fs.f_type : 0, 0x9fa0, "statfs knows it");
	works(umount(HERE), "unmounted");
	works(mount("dev", HERE, "devtmpfs", 0, NULL), "devtmpfs, a second time");
	works(make(HERE "/mounts-made-this"), "what is made there");
	works(unlink("/dev/mounts-made-this"), "is in /dev");
	works(umount(HERE), "unmounted");
	works(mount("sys", HERE, "sysfs", 0, NULL), "sysfs, a second time");
	works(access(HERE "/module", F_OK), "shows the same");
	works(umount(HERE), "unmounted");
	is(statfs("/proc", &fs) == 0 ? fs.f_type : 0, 0x9fa0, "the first of each");
	is(statfs("/sys", &fs) == 0 ? fs.f_type : 0, 0x62656572, "is there still");
}

static void binds(void)
{
	mkdir(HERE "/from", 0755);
	mkdir(HERE "/to", 0755);
	make(HERE "/file");
	works(mount(HERE "/from", HERE "/to", NULL, MS_BIND, NULL), "a bind mount");
	works(make(HERE "/to/x"), "what is made in one");
	works(unlink(HERE "/from/x"), "is in the other");
	works(rename(HERE "/file", HERE "/moved"), "a file beside it is renamed");
	fails(mount(HERE "/moved", HERE "/to", NULL, MS_BIND, NULL), ENOTDIR, "a file does not cover a directory");
	fails(mount(HERE "/none", HERE "/to", NULL, MS_BIND, NULL), ENOENT, "nor does nothing");
	works(umount(HERE "/to"), "unmounted");
	works(make(HERE "/covered"), "a file");
	works(mount(HERE "/moved", HERE "/covered", NULL, MS_BIND, NULL), "a file covers a file");
	is(write_to(HERE "/moved", 4096), 4096, "what is written to one");
	is(write_to(HERE "/covered", 8192), 8192, "is in the other");
	fails(unlink(HERE "/covered"), EBUSY, "it cannot be unlinked");
	works(umount(HERE "/covered"), "unmounted");
	is(open(HERE "/covered", O_RDONLY) >= 0 ? lseek(open(HERE "/covered", O_RDONLY), 0, SEEK_END) : -1, 0,
	   "the covered one is empty still");
	unlink(HERE "/covered"), unlink(HERE "/moved"), rmdir(HERE "/from"), rmdir(HERE "/to");
}

static void detached(void)
{
	int fd;
	char byte;

	works(mount("none", HERE, "tmpfs", 0, NULL), "a tmpfs");
	fd = open(HERE "/f", O_RDWR | O_CREAT, 0600);
	is(write(fd, "x", 1), 1, "with a file open in it");
	works(umount2(HERE, MNT_DETACH), "MNT_DETACH");
	fails(access(HERE "/f", F_OK), ENOENT, "it is gone from there");
	is(pread(fd, &byte, 1, 0) == 1 ? byte : 0, 'x', "but not from those who use it");
	works(close(fd), "closed");
	works(mount("one", HERE, "tmpfs", 0, NULL), "one");
	works(mount("two", HERE, "tmpfs", 0, NULL), "over another");
	make(HERE "/on-two");
	works(umount(HERE), "the upper goes");
	fails(access(HERE "/on-two", F_OK), ENOENT, "and its files");
	works(umount(HERE), "the lower");
	fails(umount(HERE), EINVAL, "there are no more");
}

/* One mount over another, the lower of which is got at by a descriptor. */
static void stacked(void)
{
	char lower[32];
	int fd;

	works(mount("dev", HERE, "devtmpfs", 0, NULL), "a lower mount");
	fd = open(HERE, O_RDONLY | O_DIRECTORY);
	snprintf(lower, sizeof(lower), "/proc/self/fd/%d", fd);
	works(mount("none", HERE, "tmpfs", 0, NULL), "one over it");
	make(HERE "/f");
	works(access(HERE "/f", F_OK), "the upper one shows");
	works(umount2(lower, 0), "the lower one unmounted: what is over it goes");
	fails(access(HERE "/f", F_OK), ENOENT, "the upper one is gone");
	works(access(HERE "/dma_heap", F_OK), "the lower one shows");
	works(umount2(lower, MNT_DETACH), "unmounted again, it goes itself");
	fails(access(HERE "/dma_heap", F_OK), ENOENT, "it is gone, too");
	ok(strstr(all_of("/proc/mounts"), HERE) == NULL, "/proc/mounts shows neither");
	close(fd);
}

int main(void)
{
	mkdir(HERE, 0755);
	memory();
	refusals();
	others();
	binds();
	detached();
	stacked();
	works(rmdir(HERE), "nothing is left");
	return done();
}
