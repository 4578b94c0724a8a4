/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * system(3) and popen(3): what C programs ask of /bin/sh.
 */
#define _GNU_SOURCE
#include "tap.h"

static int code(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What a command prints. */
static const char *said(const char *command)
{
	static char text[512];
	FILE *pipe = popen(command, "r");
	size_t len = pipe ? fread(text, 1, sizeof(text) - 1, pipe) : 0;

	text[len] = 0;
	if (pipe)
		pclose(pipe);
	return text;
}

static void says(const char *command, const char *want)
{
	const char *got = said(command);

	if (!ok(strcmp(got, want) == 0, "%s", command))
		printf("# got \"%s\"\n", got);
}

int main(void)
{
	is(system(NULL), 1, "there is a shell");
	is(code("exit 3"), 3, "its status is the command's");
	is(code("kill -9 $$"), 128 + 9, "or the signal that killed it");
	is(code("/no/such/program 2>/dev/null"), 127, "127 for what is not there");
	is(code("true && ! false || exit 9"), 0, "and, or, not");
	setenv("GREETING", "hello  world", 1);
	says("echo $GREETING", "hello world\n");
	says("echo \"$GREETING\" '$GREETING'", "hello  world $GREETING\n");
	says("echo one two | cat | cat", "one two\n");
	says("(echo a; echo b) | wc -l | cat", "2\n");
	says("for i in 1 2 3; do echo -n $i,; done", "1,2,3,");
	says("if [ -d /tmp ]; then echo yes; else echo no; fi", "yes\n");
	says("x=1; while [ $x != 111 ]; do x=1$x; done; echo $x", "111\n");
	says("echo out; echo err >&2 2>/dev/null", "out\n");
	says("cd /tmp && pwd", "/tmp\n");
	is(code("echo first > /tmp/system && echo second >> /tmp/system"), 0, "files are written");
	says("cat < /tmp/system", "first\nsecond\n");
	is(code("rm /tmp/system"), 0, "and removed");
	FILE *pipe = popen("cat > /tmp/system", "w");
	ok(pipe && fputs("written\n", pipe) >= 0 && pclose(pipe) == 0, "popen to write");
	says("cat /tmp/system; rm /tmp/system", "written\n");
	is(WEXITSTATUS(pclose(popen("exit 5", "r"))), 5, "pclose gives the status");
	return done();
}
