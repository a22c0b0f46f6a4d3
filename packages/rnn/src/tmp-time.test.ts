import { tensor, valueAndGrad, sum, mul, treeLeaves, compile } from '@seq/tensor';
import { gruSequence } from './gru/op.js'; import { lstmSequence } from './lstm/op.js'; import {test} from 'vitest';
test('t', async()=>{ const [B,T,C,H]=[16,64,128,128];
const rnd=(n:number,s=1)=>Float32Array.from({length:n},()=>(Math.random()*2-1)*s);
const t=(shape:number[],s=1)=>tensor(rnd(shape.reduce((a,b)=>a*b,1),s),{shape});
async function bench(name:string,f:()=>unknown,n=12){ for(let i=0;i<5;i++) await Promise.all(treeLeaves(f()).map(x=>x.data())); let best=1e9; for(let i=0;i<n;i++){const t0=performance.now(); const out=treeLeaves(f()); for(const x of out) await x.realize(); best=Math.min(best,performance.now()-t0); for(const x of out)x.dispose();} console.log(name,best.toFixed(1),'ms'); }
const x=t([B,T,C]);
for(const [name,g,seq] of [['gru',3,gruSequence],['lstm',4,lstmSequence]] as const){
 const w={weightIh:t([g*H,C],.09),weightHh:t([g*H,H],.09),biasIh:t([g*H],.09),biasHh:t([g*H],.09)};
 const G=t([B,T,H]);
 await bench(name+' forward',()=>(seq as any)(x,w)[0]);
 const fb=(p:any)=>valueAndGrad((p:any)=>sum(mul((seq as any)(p.x,p.w)[0],G)),p);
 await bench(name+' forward+backward',()=>fb({x,w}));
 const c=compile((p:any)=>fb(p));
 await bench(name+' compiled fwd+bwd',()=>c({x,w}));
 console.log((c as any).plan({x,w}).toString());
}
}, 100000);
