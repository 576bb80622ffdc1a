// The table of a level: included at the end of its namespace, after all kernels. Constant data, so that
// reading it runs no code of the level on a machine that lacks it. The namespace defines kName.
static constexpr Table kTable = {
    .name = kName,
    .bf16_matmul = bf16_matmul,
    .bf12_matmul = bf12_matmul,
    .bf16_matmul_in_out = bf16_matmul_in_out,
    .one = {quantize<Terms::one>, mxfp4_matmul<Terms::one>},
    .three = {quantize<Terms::three>, mxfp4_matmul<Terms::three>},
    .q8_pack = q8_pack,
    .q8_matmul = q8_matmul,
    .q6_pack = q6_pack,
    .q6_matmul = q6_matmul,
    .rms_norm = rms_norm,
    .swiglu = swiglu,
    .attend = attend,
    .exp = exp,
    .sum_exp = sum_exp,
    .int8_peak = int8_peak,
};
