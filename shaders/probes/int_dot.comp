// Does the compiler know packed integer dot products (VK_KHR_shader_integer_dot_product)?
#version 450
#extension GL_EXT_integer_dot_product : require
layout(local_size_x = 32) in;
layout(set = 0, binding = 0) buffer B { int b[]; };
void main()
{
    b[0] = dotPacked4x8EXT(b[1], b[2]);
}
