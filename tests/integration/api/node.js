// The vendor's Node SDK, unchanged, against a running `innertrail run`: every name it asks for is this machine. It speaks version 1 of
// signatures and of GetLogs, and has no other. It must never reach any other host.
const dns = require('dns');
dns.lookup = (host, options, done) => {
  if (typeof options === 'function') { done = options; options = {}; }
  return options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
};
const assert = require('assert');
const Log = require(process.env.MODULE);
const { id, secret, logstore, count, expected, shards, port } = JSON.parse(process.env.SETUP);
const client = new Log({ endpoint: `logs.example.test:${port}`, accessKeyId: id, accessKeySecret: secret });
const [from, to] = [new Date(1793491200000), new Date(1795305600000)];

(async () => {
  assert.strictEqual((await client.getProject('audit')).projectName, 'audit');
  assert.strictEqual((await client.getLogStore('audit', logstore)).shardCount, shards);
  assert.ok((await client.getIndexConfig('audit', logstore)).keys.eventName);
  const pieces = await client.getHistograms('audit', logstore, from, to, { query: '*' });
  assert.strictEqual(pieces.reduce((sum, piece) => sum + piece.count, 0), count);
  const logs = await client.getLogs('audit', logstore, from, to, { query: 'sourceIpAddress: 203.0.113.7', line: 100 });
  assert.strictEqual(logs.length, expected);
  assert.ok(logs.every(log => JSON.parse(log.event).sourceIpAddress === '203.0.113.7'));
  const begun = Date.now();
  const write = client.postLogStoreLogs('audit', logstore, { logs: [{ timestamp: 1793491200, content: { event: '{}' } }] });
  await assert.rejects(write, error => error.code === 'LogStoreReadOnly' && Date.now() - begun < 2000);
  console.log('all calls as expected');
})().catch(error => { console.error(error); process.exit(1); });
