/* POSIX. The only file of tools/ that asks the operating system for more than the C library has. */
#define _POSIX_C_SOURCE 200809L
#include "tools/term.h"

#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool term_is_tty(FILE *f)
{
    return isatty(fileno(f)) == 1;
}

double term_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool term_wall_time(struct hk_wall_time *t, struct hk_error *err)
{
    struct tm now;
    time_t seconds = time(NULL);
    if (!localtime_r(&seconds, &now)) return hk_fail(err, HK_ERR_IO, "the local time cannot be told");
    *t = (struct hk_wall_time){now.tm_year + 1900, now.tm_mon + 1, now.tm_mday,
                               now.tm_hour,        now.tm_min,     now.tm_sec};
    return true;
}

void term_locale(void)
{
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
}

/* A signal handler has no other place to write to. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    if (interrupted) {
        signal(sig, SIG_DFL);
        raise(sig);
    }
    interrupted = 1;
}

static void catch_signal(int sig)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on_interrupt; /* no SA_RESTART: a read that waits for the user returns */
    sigemptyset(&a.sa_mask);
    sigaction(sig, &a, NULL);
}

void term_catch_interrupt(void)
{
    catch_signal(SIGINT);
}

void term_catch_termination(void)
{
    catch_signal(SIGTERM);
    catch_signal(SIGHUP);
}

bool term_interrupted(void)
{
    return interrupted != 0;
}

void term_clear_interrupt(void)
{
    interrupted = 0;
}

uint64_t term_random(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t x = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec + ((uint64_t)getpid() << 40);
    /* the finaliser of splitmix64: neighbouring times give seeds that share no bits */
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) >> 32; /* short enough to be typed again */
}

void term_set_driver_threads(uint32_t n)
{
    char text[16];
    snprintf(text, sizeof text, "%u", (unsigned)n);
    setenv("LP_NUM_THREADS", text, 1); /* Mesa's lavapipe; SwiftShader has no such setting */
}

/* Makes every missing folder of a path; the last part is the file's name and stays. */
static bool make_folders(char *path)
{
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        bool there = mkdir(path, 0700) == 0 || access(path, F_OK) == 0;
        *p = '/';
        if (!there) return false;
    }
    return true;
}

char *term_state_file(const char *name)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME"), *rest = "";
    if (!state || state[0] != '/') {
        state = home;
        rest = "/.local/state";
    }
    if (!state || state[0] != '/') return NULL;
    size_t size = strlen(state) + strlen(rest) + strlen("/hekla/") + strlen(name) + 1;
    char *path = malloc(size);
    if (!path) return NULL;
    snprintf(path, size, "%s%s/hekla/%s", state, rest, name);
    if (make_folders(path)) return path;
    free(path);
    return NULL;
}
