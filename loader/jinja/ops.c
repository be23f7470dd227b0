/* Operators, attributes and items, as Python has them. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

#include <math.h>

/* ---- arithmetic ---- */

static bool bad_operands(struct jinja_run *r, const char *op, struct jv a, struct jv b)
{
    if (a.type == JV_UNDEFINED) return jinja_fail_undefined(r, a);
    if (b.type == JV_UNDEFINED) return jinja_fail_undefined(r, b);
    return jinja_fail(r, "unsupported operand types for %s: '%s' and '%s'", op, jv_type_name(a),
                      jv_type_name(b));
}

static bool overflow(struct jinja_run *r)
{
    return jinja_fail(r, "an integer beyond 64 bits: no longer ones are computed with");
}

static bool mul_i64(int64_t a, int64_t b, int64_t *out)
{
    if (a == 0 || b == 0) {
        *out = 0;
        return true;
    }
    uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b, z;
    bool negative = (a < 0) != (b < 0);
    if (!hk_mul_u64(x, y, &z) || z > (uint64_t)INT64_MAX + negative) return false;
    *out = negative ? (int64_t)(0 - z) : (int64_t)z;
    return true;
}

static bool pow_i64(int64_t base, int64_t exponent, int64_t *out)
{
    *out = 1;
    while (exponent > 0) {
        if ((exponent & 1) && !mul_i64(*out, base, out)) return false;
        exponent >>= 1;
        if (exponent && !mul_i64(base, base, &base)) return false;
    }
    return true;
}

static bool int_op(struct jinja_run *r, enum jinja_op op, int64_t a, int64_t b, struct jv *out)
{
    int64_t v = 0;
    bool ok = true;
    switch (op) {
    case JINJA_ADD:
        ok = b >= 0 ? a <= INT64_MAX - b : a >= INT64_MIN - b;
        if (ok) v = a + b;
        break;
    case JINJA_SUB:
        ok = b >= 0 ? a >= INT64_MIN + b : a <= INT64_MAX + b;
        if (ok) v = a - b;
        break;
    case JINJA_MUL:
        ok = mul_i64(a, b, &v);
        break;
    case JINJA_FLOORDIV:
    case JINJA_MOD:
        if (b == 0) return jinja_fail(r, "division by zero");
        if (b == -1) {
            ok = a != INT64_MIN || op == JINJA_MOD;
            if (ok) v = op == JINJA_MOD ? 0 : -a;
            break;
        }
        v = op == JINJA_MOD ? a % b : a / b;
        if (a % b != 0 && (a < 0) != (b < 0))
            v = op == JINJA_MOD ? v + b : v - 1; /* towards minus infinity */
        break;
    default:
        ok = pow_i64(a, b, &v);
        break;
    }
    if (!ok) return overflow(r);
    *out = jv_int(v);
    return true;
}

/* Python's float % and //: the remainder has the divisor's sign. */
static void float_divmod(double a, double b, double *quotient, double *remainder)
{
    double m = fmod(a, b), q = (a - m) / b;
    if (m != 0) {
        if ((b < 0) != (m < 0)) {
            m += b;
            q -= 1;
        }
    } else {
        m = copysign(0, b);
    }
    double whole = floor(q);
    if (q - whole > 0.5) whole += 1;
    *quotient = q != 0 ? whole : copysign(0, a / b);
    *remainder = m;
}

static bool float_op(struct jinja_run *r, enum jinja_op op, double a, double b, struct jv *out)
{
    double v = 0, other;
    if (b == 0 && (op == JINJA_DIV || op == JINJA_FLOORDIV || op == JINJA_MOD))
        return jinja_fail(r, "division by zero");
    switch (op) {
    case JINJA_ADD:
        v = a + b;
        break;
    case JINJA_SUB:
        v = a - b;
        break;
    case JINJA_MUL:
        v = a * b;
        break;
    case JINJA_DIV:
        v = a / b;
        break;
    case JINJA_FLOORDIV:
        float_divmod(a, b, &v, &other);
        break;
    case JINJA_MOD:
        float_divmod(a, b, &other, &v);
        break;
    default:
        if (a == 0 && b < 0) return jinja_fail(r, "0.0 cannot be raised to a negative power");
        if (a < 0 && isfinite(a) && isfinite(b) && floor(b) != b)
            return jinja_fail(r, "the power would be a complex number");
        v = pow(a, b);
        if (isinf(v) && isfinite(a) && isfinite(b))
            return jinja_fail(r, "the power is too large for a float");
        break;
    }
    *out = jv_float(v);
    return true;
}

/* ---- sequences ---- */

static bool concat_lists(struct jinja_run *r, struct jv a, struct jv b, struct jv *out)
{
    size_t n = (size_t)a.as.list->n + b.as.list->n;
    struct jinja_list *l = jinja_work(r, n / 8) ? jinja_list_new(r, n) : NULL;
    if (!l) return false;
    if (a.as.list->n) memcpy(l->items, a.as.list->items, a.as.list->n * sizeof *l->items);
    if (b.as.list->n) memcpy(l->items + a.as.list->n, b.as.list->items, b.as.list->n * sizeof *l->items);
    l->n = (uint32_t)n;
    *out = jv_list(a.type, l);
    return true;
}

static bool concat_strings(struct jinja_run *r, struct jv a, struct jv b, struct jv *out)
{
    if ((a.flags ^ b.flags) & JV_MARKUP) { /* the plain one is escaped */
        if (!jinja_escape(r, a.flags & JV_MARKUP ? b : a, a.flags & JV_MARKUP ? &b : &a)) return false;
    }
    *out = a;
    return jinja_append(r, out, b.as.s, b.len);
}

bool jinja_add(struct jinja_run *r, struct jv a, struct jv b, struct jv *out)
{
    if (a.type == JV_STR && b.type == JV_STR) return concat_strings(r, a, b, out);
    if (a.type == b.type && (a.type == JV_LIST || a.type == JV_TUPLE)) return concat_lists(r, a, b, out);
    if (jv_is_int(a) && jv_is_int(b)) return int_op(r, JINJA_ADD, a.as.i, b.as.i, out);
    if (jv_is_number(a) && jv_is_number(b)) return float_op(r, JINJA_ADD, jv_double(a), jv_double(b), out);
    return bad_operands(r, "+", a, b);
}

static bool repeat(struct jinja_run *r, struct jv v, int64_t times, struct jv *out)
{
    uint64_t n, length = v.type == JV_STR ? v.len : v.as.list->n;
    if (times < 0) times = 0;
    if (!hk_mul_u64(length, (uint64_t)times, &n) || n > r->max_memory)
        return jinja_fail_code(r, HK_ERR_MEMORY, "a %s repeated %lld times is too large", jv_type_name(v),
                               (long long)times);
    if (v.type == JV_STR) {
        struct jv acc = jv_ascii("");
        if (n && !jinja_append_repeat(r, &acc, v, (size_t)times)) return false;
        *out = acc;
        out->flags |= v.flags & JV_MARKUP;
        return true;
    }
    struct jinja_list *l = jinja_work(r, n) ? jinja_list_new(r, (size_t)n) : NULL;
    if (!l) return false;
    for (uint64_t i = 0; i < n; i++) l->items[i] = v.as.list->items[i % length];
    l->n = (uint32_t)n;
    *out = jv_list(v.type, l);
    return true;
}

static bool is_sequence(struct jv v)
{
    return v.type == JV_STR || v.type == JV_LIST || v.type == JV_TUPLE;
}

bool jinja_binary(struct jinja_run *r, enum jinja_op op, struct jv a, struct jv b, struct jv *out)
{
    static const char *const names[] = {"+", "-", "*", "/", "//", "%", "**"};
    if (op == JINJA_ADD) return jinja_add(r, a, b, out);
    if (op == JINJA_MOD && a.type == JV_STR) return jinja_percent(r, a, b, out);
    if (op == JINJA_MUL && is_sequence(a) && jv_is_int(b)) return repeat(r, a, b.as.i, out);
    if (op == JINJA_MUL && is_sequence(b) && jv_is_int(a)) return repeat(r, b, a.as.i, out);
    if (!jv_is_number(a) || !jv_is_number(b)) return bad_operands(r, names[op], a, b);
    bool ints = jv_is_int(a) && jv_is_int(b) && op != JINJA_DIV && !(op == JINJA_POW && b.as.i < 0);
    return ints ? int_op(r, op, a.as.i, b.as.i, out) : float_op(r, op, jv_double(a), jv_double(b), out);
}

bool jinja_negate(struct jinja_run *r, struct jv v, struct jv *out)
{
    if (v.type == JV_FLOAT) {
        *out = jv_float(-v.as.f);
        return true;
    }
    if (v.type == JV_BIG) { /* -9223372036854775808 is the literal's number, negated */
        struct jv acc = jv_missing();
        bool negative = v.as.s[0] == '-';
        if ((!negative && !jinja_append_text(r, &acc, "-")) ||
            !jinja_append(r, &acc, v.as.s + negative, v.len - negative))
            return false;
        *out = jinja_parse_number(r, acc.as.s, acc.len);
        return out->type != JV_MISSING;
    }
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(r, v);
    if (!jv_is_int(v)) return jinja_fail(r, "bad operand type for unary -: '%s'", jv_type_name(v));
    if (v.as.i == INT64_MIN) return overflow(r);
    *out = jv_int(-v.as.i);
    return true;
}

bool jinja_compare(struct jinja_run *r, enum jinja_op op, struct jv a, struct jv b, bool *out)
{
    bool equal = false;
    switch (op) {
    case JINJA_EQ:
    case JINJA_NE:
        if (!jinja_equal(r, a, b, out)) return false;
        *out ^= op == JINJA_NE;
        return true;
    case JINJA_LT:
        return jinja_less(r, a, b, out);
    case JINJA_GT:
        return jinja_less(r, b, a, out);
    case JINJA_LE:
    case JINJA_GE:
        if (!jinja_less(r, op == JINJA_LE ? a : b, op == JINJA_LE ? b : a, out)) return false;
        if (!*out && !jinja_equal(r, a, b, &equal)) return false;
        *out |= equal;
        return true;
    default:
        if (!jinja_contains(r, a, b, out)) return false;
        *out ^= op == JINJA_NOT_IN;
        return true;
    }
}

/* ---- attributes and items ---- */

static bool bound(struct jinja_run *r, struct jv self, const struct jinja_builtin *b, struct jv *out)
{
    struct jinja_method *m = jinja_alloc(r, 1, sizeof *m);
    if (!m) return false;
    *m = (struct jinja_method){self, b};
    *out = (struct jv){.type = JV_METHOD, .as.method = m};
    return true;
}

static bool macro_attr(struct jinja_run *r, const struct jinja_macro *m, struct jv name, struct jv *out)
{
    const struct jinja_node *n = m->node;
    if (jv_equals_text(name, "name"))
        *out = n->kind == JINJA_MACRO ? jv_text(n->a->name, n->a->name_len) : jv_none();
    else if (jv_equals_text(name, "caller"))
        *out = jv_bool(n->caller != NULL);
    else if (jv_equals_text(name, "catch_kwargs"))
        *out = jv_bool(n->kwargs != NULL);
    else if (jv_equals_text(name, "catch_varargs"))
        *out = jv_bool(n->varargs != NULL);
    else if (jv_equals_text(name, "arguments")) {
        struct jinja_list *l = jinja_list_new(r, n->params.n);
        for (uint32_t i = 0; l && i < n->params.n; i++)
            l->items[l->n++] = jv_text(n->params.v[i]->name, n->params.v[i]->name_len);
        *out = jv_list(JV_TUPLE, l);
        return l != NULL;
    }
    return true;
}

/* Attributes that are no items: what Python's getattr finds. Missing where there is none. */
static bool own_attr(struct jinja_run *r, struct jv v, struct jv name, struct jv *out)
{
    *out = jv_missing();
    switch (v.type) {
    case JV_NAMESPACE: {
        const struct jv *item = jinja_dict_get(v.as.dict, name);
        if (item) *out = *item;
        return true;
    }
    case JV_LOOP:
        return jinja_loop_attr(r, v.as.loop, name, out);
    case JV_MACRO:
        return macro_attr(r, v.as.macro, name, out);
    case JV_CYCLER:
        if (jv_equals_text(name, "current")) *out = v.as.cycler->items.items[v.as.cycler->at];
        break;
    case JV_TUPLE:
        if ((v.flags & JV_GROUP) && jv_equals_text(name, "grouper")) *out = v.as.list->items[0];
        if ((v.flags & JV_GROUP) && jv_equals_text(name, "list")) *out = v.as.list->items[1];
        break;
    default:
        break;
    }
    if (out->type != JV_MISSING) return true;
    const struct jinja_builtin *b = jinja_method_find(v.type, name.as.s, name.len);
    if (b) return bound(r, v, b, out);
    if (jinja_method_is_unsafe(v.type, name.as.s, name.len)) *out = jv_unsafe(v, name.as.s, name.len);
    return true;
}

bool jinja_getattr(struct jinja_run *r, struct jv v, struct jv name, struct jv *out)
{
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(r, v);
    if (!own_attr(r, v, name, out)) return false;
    if (out->type != JV_MISSING) return true;
    const struct jv *item = v.type == JV_DICT ? jinja_dict_get(v.as.dict, name) : NULL;
    *out = item ? *item : jv_no_attribute(v, name.as.s, name.len);
    return true;
}

/* The element at an index that may count from the end; missing where there is none. */
static bool element(struct jinja_run *r, struct jv v, int64_t i, struct jv *out)
{
    size_t n = 0;
    *out = jv_missing();
    if (!jinja_length(r, v, &n)) return true;
    if (i < 0) i += (int64_t)n;
    if (i < 0 || (uint64_t)i >= n) return true;
    if (v.type == JV_RANGE) {
        *out = jv_int(v.as.range->start + i * v.as.range->step);
    } else if (v.type == JV_STR) {
        size_t at = jinja_offset(v, (size_t)i);
        *out = jinja_slice_bytes(v, at, at + jinja_char_bytes(v.as.s + at));
    } else {
        *out = v.as.list->items[i];
    }
    return true;
}

bool jinja_getitem(struct jinja_run *r, struct jv v, struct jv key, struct jv *out)
{
    *out = jv_missing();
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(r, v);
    if (v.type == JV_DICT) {
        const struct jv *item = jinja_dict_get(v.as.dict, key);
        if (item) *out = *item;
    } else if (jv_is_int(key) && (is_sequence(v) || v.type == JV_RANGE)) {
        if (!element(r, v, key.as.i, out)) return false;
    }
    if (out->type == JV_MISSING && key.type == JV_STR && !own_attr(r, v, key, out)) return false;
    if (out->type == JV_MISSING) *out = jv_no_element(v, key);
    return true;
}

/* ---- slices ---- */

static bool slice_index(struct jinja_run *r, struct jv v, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (!jv_given(v)) return true;
    if (v.type == JV_BIG) {
        *out = v.as.s[0] == '-' ? INT64_MIN : INT64_MAX;
        return true;
    }
    if (!jv_is_int(v))
        return jinja_fail(r, "slice indices must be integers or None, not %s", jv_type_name(v));
    *out = v.as.i;
    return true;
}

static int64_t clamp(int64_t i, int64_t n, int64_t lo, int64_t hi)
{
    if (i < 0) i = i < -n ? -1 : i + n;
    return i < lo ? lo : i > hi ? hi : i;
}

bool jinja_slice_bounds(struct jinja_run *r, struct jv from, struct jv to, int64_t step, int64_t n,
                        int64_t *start, int64_t *stop)
{
    int64_t a, b, lo = step > 0 ? 0 : -1, hi = step > 0 ? n : n - 1;
    if (!slice_index(r, from, 0, &a) || !slice_index(r, to, 0, &b)) return false;
    *start = jv_given(from) ? clamp(a, n, lo, hi) : step > 0 ? lo : hi;
    *stop = jv_given(to) ? clamp(b, n, lo, hi) : step > 0 ? hi : lo;
    return true;
}

static bool slice_string(struct jinja_run *r, struct jv v, int64_t start, int64_t step, size_t n,
                         struct jv *out)
{
    if (step == 1) {
        size_t from = jinja_offset(v, (size_t)start);
        struct jv rest = jinja_slice_bytes(v, from, v.len);
        *out = jinja_slice_bytes(rest, 0, jinja_offset(rest, n));
        if (from == 0) out->flags |= v.flags & JV_GROWS;
        return jinja_work(r, v.len / 64);
    }
    struct jinja_list *chars = jinja_collect(r, v);
    struct jv acc = jv_ascii("");
    bool ok = chars != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        struct jv c = chars->items[start + (int64_t)i * step];
        ok = jinja_append(r, &acc, c.as.s, c.len);
    }
    *out = acc;
    out->flags |= v.flags & JV_MARKUP;
    return ok;
}

static bool slice_range(struct jinja_run *r, struct jv v, int64_t start, int64_t stop, int64_t step, size_t n,
                        struct jv *out)
{
    struct jinja_range *g = jinja_alloc(r, 1, sizeof *g);
    const struct jinja_range *of = v.as.range;
    if (!g) return false;
    /* what overflows is behind the end and only printed */
    uint64_t by = (uint64_t)of->step, s;
    s = (uint64_t)of->start;
    *g = (struct jinja_range){(int64_t)(s + (uint64_t)start * by), (int64_t)(s + (uint64_t)stop * by),
                              (int64_t)(by * (uint64_t)step), (uint32_t)n};
    *out = (struct jv){.type = JV_RANGE, .as.range = g};
    return true;
}

bool jinja_slice(struct jinja_run *r, struct jv v, struct jv from, struct jv to, struct jv by, struct jv *out)
{
    size_t n;
    int64_t step, start, stop;
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(r, v);
    if (v.type == JV_DICT) return jinja_fail(r, "unhashable type: 'slice'");
    if ((!is_sequence(v) && v.type != JV_RANGE) || !jinja_length(r, v, &n))
        return jinja_fail(r, "'%s' object is not subscriptable", jv_type_name(v));
    if (!slice_index(r, by, 1, &step)) return false;
    if (step == 0) return jinja_fail(r, "slice step cannot be zero");
    if (step == INT64_MIN) step = -INT64_MAX;
    if (!jinja_slice_bounds(r, from, to, step, (int64_t)n, &start, &stop)) return false;
    uint64_t count = 0;
    if (step > 0 && start < stop) count = ((uint64_t)(stop - start) - 1) / (uint64_t)step + 1;
    if (step < 0 && start > stop) count = ((uint64_t)(start - stop) - 1) / (uint64_t)-step + 1;
    if (v.type == JV_STR) return slice_string(r, v, count ? start : 0, step, (size_t)count, out);
    if (v.type == JV_RANGE) return slice_range(r, v, start, stop, step, (size_t)count, out);
    struct jinja_list *l = jinja_work(r, count) ? jinja_list_new(r, (size_t)count) : NULL;
    if (!l) return false;
    for (uint64_t i = 0; i < count; i++) l->items[l->n++] = v.as.list->items[start + (int64_t)i * step];
    *out = jv_list(v.type, l);
    return true;
}
