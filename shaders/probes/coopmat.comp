// Does the compiler know cooperative matrices (VK_KHR_cooperative_matrix)?
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
layout(local_size_x = 32) in;
layout(set = 0, binding = 0) buffer B { float16_t b[]; };
layout(set = 0, binding = 1) buffer C { float c[]; };
void main()
{
    coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA> x;
    coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB> y;
    coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator> s =
        coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>(0.0);
    coopMatLoad(x, b, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
    coopMatLoad(y, b, 256, 16, gl_CooperativeMatrixLayoutRowMajor);
    s = coopMatMulAdd(x, y, s);
    coopMatStore(s, c, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
}
