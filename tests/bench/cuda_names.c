/* Names of CUDA that torchaudio's compiled library asks the loader for, so that it loads on a machine without CUDA.
   Nothing but the registration of kernels, at load time, calls any of them while all tensors are on the CPU. */
static int nothing[8];
#define NAME(name) \
    int name(void) { return 0; }
void **__cudaRegisterFatBinary(void *binary) {
    (void)binary;
    return (void **)nothing;
}
NAME(__cudaGetKernel)
NAME(__cudaLaunchKernel)
NAME(__cudaPopCallConfiguration)
NAME(__cudaPushCallConfiguration)
NAME(__cudaRegisterFatBinaryEnd)
NAME(__cudaRegisterFunction)
NAME(__cudaRegisterVar)
NAME(__cudaUnregisterFatBinary)
NAME(cudaGetLastError)
NAME(cudaMemcpyAsync)
NAME(cudaMemset)
NAME(cudaSetDevice)
NAME(torch_c10_cuda_check_msg)
NAME(torch_c10_cuda_free_error_msg)
NAME(torch_cuda_stream_synchronize)
NAME(torch_get_cuda_stream_from_pool)
NAME(torch_set_current_cuda_stream)
NAME(aoti_torch_get_current_cuda_stream)
