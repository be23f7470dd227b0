// How a matmul's result goes out: args is a matvec_args. A kernel calls hk_store_begin before its first hk_store.
float store_scale;

void hk_store_begin()
{
    store_scale = hk_number(args.scale, 1.0, args.w0);
}

void hk_store(uint row, uint token, float value)
{
    if (row < args.rows && token < args.n_tokens) {
        io_float y = io_float(hk_at(args.y, token, args.y_ld * 4u));
        value *= store_scale;
        if (hk_given(args.bias)) value += in_float(args.bias).v[row];
        if (args.accumulate != 0u) value += y.v[row];
        y.v[row] = value;
    }
}
