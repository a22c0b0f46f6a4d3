import { tensor, valueAndGrad, sum, mul, treeLeaves, compile, key } from '@seq/tensor';
import { lstm } from './lstm/mixer.js';
for (const o of [{dModel:16,hiddenDim:24},{dModel:16,hiddenDim:24,projSize:12}]) {
const m=lstm(o); const p=m.init(key(0)); const x=tensor(new Float32Array(16*24*16).map(()=>Math.random()),{shape:[16,24,16]});
const c=compile((p:any,x:any)=>valueAndGrad((p:any)=>sum(mul(m.forward(p,x),2)),p));
for(let r=0;r<12;r++){const t0=performance.now(); for(let i=0;i<100;i++){const o=treeLeaves(c(p,x)); for(const l of o) await l.realize(); o.forEach(l=>l.dispose());} console.log(JSON.stringify(o),((performance.now()-t0)/100).toFixed(2),'ms');}
}
