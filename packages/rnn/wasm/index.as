export { elman, elmanGrad } from './elman';
export { gru, gruGrad } from './gru';
export { lstm, lstmGrad } from './lstm';
