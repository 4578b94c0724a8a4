/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Loading and unloading modules, with everything that is no module. No module is loaded: those of two kernels differ.
 */
#include "check.h"

static long init_module(const void *image, unsigned long length, const char *parameters)
{
	return syscall(SYS_init_module, image, length, parameters);
}

static long finit_module(int fd, const char *parameters, int flags)
{
	return syscall(SYS_finit_module, fd, parameters, flags);
}

static long delete_module(const char *name, unsigned int flags)
{
	return syscall(SYS_delete_module, name, flags);
}

int main(void)
{
	static char zeroes[4096], elf[4096] = "\177ELF\2\1\1", name[128];
	int text, empty, ends[2];

	begin();
	subject = "init_module";
	check("nothing", init_module(zeroes, 0, ""));
	check("zeroes", init_module(zeroes, sizeof(zeroes), ""));
	check("too short for a header", init_module(elf, 16, ""));
	check("a header of zeroes", init_module(elf, sizeof(elf), ""));
	check("a bad address", init_module(BAD_ADDRESS, 4096, ""));
	check("a null address", init_module(NULL, 4096, ""));
	check("a kernel address", init_module(KERNEL_ADDRESS, 4096, ""));
	check("zeroes, bad parameters", init_module(zeroes, sizeof(zeroes), BAD_ADDRESS));
	subject = "finit_module";
	text = file_with("text", "this is no module\n");
	check("text", finit_module(text, "", 0));
	empty = file_with("empty", "");
	check("an empty file", finit_module(empty, "", 0));
	close(file_with("elf", "\177ELF\2\1\1 and nothing more, which is not enough to hold the header of one"));
	check("a short file", finit_module(open("elf", O_RDONLY), "", 0));
	check("a write-only file", finit_module(open("text", O_WRONLY), "", 0));
	check("a directory", finit_module(open(".", O_RDONLY), "", 0));
	check("/dev/null", finit_module(open("/dev/null", O_RDONLY), "", 0));
	check("a pipe", (pipe(ends), finit_module(ends[0], "", 0)));
	check("O_PATH", finit_module(open("text", O_PATH), "", 0));
	check("descriptor -1", finit_module(-1, "", 0));
	check("descriptor 999", finit_module(999, "", 0));
	check("an unknown flag", finit_module(open("text", O_RDONLY), "", 8));
	check("an unknown flag, descriptor -1", finit_module(-1, "", 8));
	check("bad parameters", finit_module(open("text", O_RDONLY), BAD_ADDRESS, 0));
	subject = "delete_module";
	check("what is not loaded", delete_module("no_such_module", O_NONBLOCK));
	check("what is not loaded, by force", delete_module("no_such_module", O_NONBLOCK | O_TRUNC));
	check("an empty name", delete_module("", O_NONBLOCK));
	check("a bad address", delete_module(BAD_ADDRESS, O_NONBLOCK));
	check("a null address", delete_module(NULL, O_NONBLOCK));
	memset(name, 'm', sizeof(name) - 1);
	check("a long name", delete_module(name, O_NONBLOCK));
	check("flags of all ones", delete_module("no_such_module", ~0u));
	return finish();
}
