#include "tools/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <histedit.h>

#include "tools/term.h"

struct lines {
    EditLine *edit; /* NULL: no terminal */
    History *past;
    char *past_file;
    const char *prompt;
    bool cancelled;
};

static char *show_prompt(EditLine *edit)
{
    struct lines *l = NULL;
    el_get(edit, EL_CLIENTDATA, &l);
    return (char *)(uintptr_t)l->prompt; /* libedit only reads it */
}

/* Ctrl-C at the prompt: the line is gone. */
static unsigned char cancel(EditLine *edit, int key)
{
    struct lines *l = NULL;
    (void)key;
    el_get(edit, EL_CLIENTDATA, &l);
    l->cancelled = true;
    const LineInfo *line = el_line(edit);
    el_cursor(edit, (int)(line->lastchar - line->cursor));
    el_deletestr(edit, (int)(line->lastchar - line->buffer));
    return CC_NEWLINE;
}

static bool open_editor(struct lines *l, const char *past_file)
{
    HistEvent event;
    /* all that belongs to the dialogue goes to stderr: stdout holds answers only */
    l->edit = el_init("hekla", stdin, stderr, stderr);
    l->past = history_init();
    if (!l->edit || !l->past) return false;
    history(l->past, &event, H_SETSIZE, 1000);
    history(l->past, &event, H_SETUNIQUE, 1);
    if (past_file) {
        l->past_file = malloc(strlen(past_file) + 1);
        if (!l->past_file) return false;
        strcpy(l->past_file, past_file);
        history(l->past, &event, H_LOAD, l->past_file);
    }
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_EDITOR, "emacs");
    el_set(l->edit, EL_PROMPT, show_prompt);
    el_set(l->edit, EL_HIST, history, l->past);
    el_set(l->edit, EL_SIGNAL, 0);
    el_set(l->edit, EL_ADDFN, "hekla-cancel", "Drop the line", cancel);
    el_set(l->edit, EL_SETTY, "-d", "intr=", NULL); /* while a line is edited Ctrl-C is a key, no signal */
    el_set(l->edit, EL_BIND, "^C", "hekla-cancel", NULL);
    el_set(l->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(l->edit, NULL); /* the user's own ~/.editrc */
    return true;
}

struct lines *lines_open(const char *past_file, struct hk_error *err)
{
    struct lines *l = hk_calloc(1, sizeof *l, err);
    if (!l || !term_is_tty(stdin) || !term_is_tty(stderr)) return l;
    if (open_editor(l, past_file)) return l;
    hk_fail(err, HK_ERR_IO,
            "line editing cannot be set up on this terminal: input from a pipe would be accepted");
    lines_close(l);
    return NULL;
}

void lines_close(struct lines *l)
{
    HistEvent event;
    if (!l) return;
    if (l->past_file) history(l->past, &event, H_SAVE, l->past_file);
    if (l->edit) el_end(l->edit);
    if (l->past) history_end(l->past);
    free(l->past_file);
    free(l);
}

bool lines_interactive(const struct lines *l)
{
    return l->edit != NULL;
}

static enum lines_got read_edited(struct lines *l, struct hk_bytes *line, struct hk_error *err)
{
    int n = 0;
    HistEvent event;
    l->cancelled = false;
    const char *text = el_gets(l->edit, &n);
    if (l->cancelled || term_interrupted()) {
        term_clear_interrupt();
        return LINES_CANCELLED;
    }
    if (!text || n <= 0) return LINES_END;
    if (text[0] != '\n') history(l->past, &event, H_ENTER, text);
    size_t len = strlen(text);
    if (len && text[len - 1] == '\n') len--;
    return hk_bytes_append(line, text, len, err) ? LINES_LINE : LINES_FAILED;
}

static enum lines_got read_plain(struct hk_bytes *line, struct hk_error *err)
{
    char buf[4096];
    size_t n = 0;
    bool any = false;
    int c;
    while ((c = getchar()) != EOF) {
        any = true;
        if (c == '\n') break;
        buf[n++] = (char)c;
        if (n < sizeof buf) continue;
        if (!hk_bytes_append(line, buf, n, err)) return LINES_FAILED;
        n = 0;
    }
    if (ferror(stdin) && errno != EINTR) {
        hk_fail(err, HK_ERR_IO, "standard input: %s: a readable file would be accepted", strerror(errno));
        return LINES_FAILED;
    }
    if (!any) return LINES_END;
    return hk_bytes_append(line, buf, n, err) ? LINES_LINE : LINES_FAILED;
}

enum lines_got lines_read(struct lines *l, const char *prompt, struct hk_bytes *line, struct hk_error *err)
{
    line->len = 0;
    for (l->prompt = prompt;; l->prompt = "... ") {
        bool more = line->len > 0;
        enum lines_got got = l->edit ? read_edited(l, line, err) : read_plain(line, err);
        if (got == LINES_END && more) return LINES_LINE;
        if (got != LINES_LINE || line->len == 0 || line->data[line->len - 1] != '\\') return got;
        line->data[line->len - 1] = '\n';
    }
}
