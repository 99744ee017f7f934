/* For clang -target bpf: what bench/xdp.py sends. The kernel runs it on frames that it makes, and sends them (XDP_TX).
 * Of 1,024 frames HITS come from 10.0.0.0/8, at random, and all others from 20.0.0.0/8. */
struct context {
    unsigned data, data_end;
};
static unsigned (*const random_number)(void) = (void *)7;

__attribute__((section("xdp"), used)) int send(struct context *context)
{
    unsigned char *frame = (unsigned char *)(long)context->data;
    if (frame + 60 > (unsigned char *)(long)context->data_end)
        return 1;
    const unsigned drawn = random_number();
    frame[26] = (drawn & 1023) < HITS ? 10 : 20;
    frame[27] = (unsigned char)(drawn >> 10);
    frame[29] = (unsigned char)(drawn >> 18);
    return 3;
}
