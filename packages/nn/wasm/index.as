// The kernels of this package.
export { scanForward, readColumns, writeColumns } from './scan-forward';
export { scanBackward, eraseBackward, rowForward, rowBackward } from './scan-backward';
export { chunksForward, chunksBackward } from './scan-chunks';
