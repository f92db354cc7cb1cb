#!/usr/bin/python3
"""node with worker threads: JSON, maps, buffers, compression and hashes, in several threads at once."""

import real

WORKLOAD = r"""
const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
const crypto = require('crypto');
const zlib = require('zlib');

function work(seed) {
    const sha = crypto.createHash('sha256');
    const table = new Map();
    for (let n = 0; n < 20000; n++) {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        table.set('key' + seed % 3000, Buffer.alloc(64 + seed % 705, n % 256));
        if (n % 3 === 0) table.delete('key' + n % 3000);
    }
    for (const key of [...table.keys()].sort()) sha.update(key).update(table.get(key));
    const text = JSON.stringify([...table.entries()].slice(0, 300));
    sha.update(zlib.gunzipSync(zlib.gzipSync(JSON.stringify(JSON.parse(text)))));
    for (let n = 0; n < 2000; n++) sha.update(crypto.createHash('md5').update('text' + n).digest());
    return sha.digest('hex');
}

if (isMainThread) {
    const seeds = [1, 2, 3, 4, 5, 6];
    const answers = {};
    let running = 0;
    const next = () => {
        if (seeds.length === 0) {
            if (running === 0) { console.log(JSON.stringify(answers, Object.keys(answers).sort())); process.exitCode = 0; }
            return;
        }
        const seed = seeds.shift();
        running++;
        const worker = new Worker(__filename, { workerData: seed });
        worker.on('message', (answer) => { answers[seed] = answer; });
        worker.on('exit', (code) => { if (code !== 0) process.exit(1); running--; next(); });
    };
    next(); next(); next();
} else {
    parentPort.postMessage(work(workerData));
}
"""


def test(run):
    return {"output": run.run(real.need("node", "nodejs"), run.write("workload.js", WORKLOAD))}


real.compare(test, served={"node": 10_000})
