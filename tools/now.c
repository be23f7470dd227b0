#include "tools/now.h"

#include <stdlib.h>
#include <string.h>

#include "tools/term.h"

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

bool tool_now(struct hk_wall_time *now, struct hk_error *err)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    const char *text = getenv("HEKLA_NOW");
    int part[6] = {0}, n = 0;
    if (!text || !*text) return term_wall_time(now, err);
    bool ok = strlen(text) == strlen(form);
    for (size_t i = 0; ok && form[i]; i++) {
        if (form[i] != 'd') {
            ok = text[i] == form[i];
            n++;
        } else if (text[i] >= '0' && text[i] <= '9') {
            part[n] = part[n] * 10 + (text[i] - '0');
        } else {
            ok = false;
        }
    }
    ok = ok && part[0] >= 1 && part[1] >= 1 && part[1] <= 12 && part[2] >= 1 &&
         part[2] <= days_in(part[0], part[1]) && part[3] < 24 && part[4] < 60 && part[5] < 60;
    if (!ok)
        return hk_fail(err, HK_ERR_INPUT,
                       "HEKLA_NOW: '%.40s' is no time: 2025-07-26T12:00:00 would be accepted", text);
    *now = (struct hk_wall_time){part[0], part[1], part[2], part[3], part[4], part[5]};
    return true;
}
