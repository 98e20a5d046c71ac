import { benchCapture } from '/work/main/bench/capture/bench-capture.ts';
const r = await benchCapture({ pairs: Number(process.argv[2] ?? 3), roundMs: Number(process.argv[3] ?? 3000), say: (l) => console.error(l) });
for (const s of r.settings) console.log(s.setting, 'off', s.off.tps, 'on', s.on.tps, 'ratio', s.ratio.toFixed(3));
