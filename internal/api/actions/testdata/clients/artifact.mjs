// What the stock @actions/artifact package does with this server, in one go. The
// version is that of the folder that NODE_PATH's package lies in; see clients_test.go.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import {createRequire} from 'node:module'
import {pathToFileURL} from 'node:url'

const root = process.env.CLIENT_MODULES
const require = createRequire(path.join(root, 'x.js'))
const load = async name => {
  const dir = path.join(root, 'node_modules', name)
  const pkg = JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8'))
  const m = await import(pathToFileURL(path.join(dir, pkg.main)).href)
  return {m: m.DefaultArtifactClient ? m : {...m.default, ...m}, version: pkg.version}
}
const {m, version} = await load('@actions/artifact')
const client = m.DefaultArtifactClient ? new m.DefaultArtifactClient() : m.default
const [major, minor] = version.split('.').map(Number)

const work = process.cwd()
const src = path.join(work, 'src')
const write = (name, text, mode) => {
  const p = path.join(src, name)
  fs.mkdirSync(path.dirname(p), {recursive: true})
  fs.writeFileSync(p, text, {mode})
  return p
}
const walk = dir => fs.readdirSync(dir, {withFileTypes: true, recursive: true})
  .filter(e => e.isFile()).map(e => path.relative(dir, path.join(e.parentPath ?? e.path, e.name))).sort()
const same = (a, b) => {
  assert.deepEqual(walk(b), walk(a))
  for (const f of walk(a)) assert.ok(fs.readFileSync(path.join(a, f)).equals(fs.readFileSync(path.join(b, f))), f)
}

const files = [
  write('a.txt', 'hello'), write('deep/er/b.bin', Buffer.alloc(100_000, 7)), write('empty', ''),
  write('größe/日本 语.txt', 'utf-8'), write('run.sh', '#!/bin/sh\n', 0o755)
]
const up = await client.uploadArtifact('small', files, src, {retentionDays: 3, compressionLevel: 9})
assert.ok(up.id > 0 && up.size > 0, JSON.stringify(up))

const list = await client.listArtifacts()
const names = list.artifacts.map(a => a.name).sort()
assert.deepEqual(names, ['builtin', 'small'])
const got = (await client.getArtifact('small')).artifact
assert.equal(got.id, up.id)
assert.equal(got.size, up.size)
if (got.digest) assert.equal(got.digest, `sha256:${up.digest}`)

const down = path.join(work, 'down')
const res = await client.downloadArtifact(up.id, {path: down, expectedHash: got.digest})
assert.ok(!res.digestMismatch)
same(src, down)

// One that a built-in action made.
const builtin = (await client.getArtifact('builtin')).artifact
const b = await client.downloadArtifact(builtin.id, {path: path.join(work, 'builtin'), expectedHash: builtin.digest})
assert.ok(!b.digestMismatch)
assert.deepEqual(walk(path.join(work, 'builtin')), ['made/by/cairn.txt', 'tool.sh'])
assert.equal(fs.readFileSync(path.join(work, 'builtin/made/by/cairn.txt'), 'utf8'), 'from a tree')

await assert.rejects(client.uploadArtifact('small', files, src), /409|already exists|Conflict/)
await assert.rejects(client.getArtifact('nothing'), /not found/i)

if (major > 2 || minor >= 1) {
  const gone = await client.deleteArtifact('small')
  assert.equal(gone.id, up.id)
  assert.deepEqual((await client.listArtifacts()).artifacts.map(a => a.name), ['builtin'])
  const again = await client.uploadArtifact('small', files.slice(0, 1), src)
  assert.ok(again.id > up.id)
  assert.equal((await client.listArtifacts({latest: true})).artifacts.filter(a => a.name === 'small').length, 1)
}

if (major > 6 || (major === 6 && minor >= 1)) {
  const raw = await client.uploadArtifact('ignored', [write('report.html', '<p>hi</p>')], src, {skipArchive: true})
  const r = (await client.getArtifact('report.html')).artifact
  assert.equal(r.id, raw.id)
  const to = path.join(work, 'raw')
  const d = await client.downloadArtifact(raw.id, {path: to, expectedHash: r.digest})
  assert.ok(!d.digestMismatch)
  assert.equal(fs.readFileSync(path.join(to, 'report.html'), 'utf8'), '<p>hi</p>')
}

// Figures, where asked for: one file of some size, and many small ones.
const time = async (what, fn) => {
  const t = process.hrtime.bigint()
  await fn()
  console.log(`figure: artifact@${version} ${what} ${(Number(process.hrtime.bigint() - t) / 1e9).toFixed(2)} s`)
}
if (process.env.CLIENT_BYTES) {
  const dir = path.join(work, 'big')
  fs.mkdirSync(dir)
  const big = path.join(dir, 'big.bin')
  const fd = fs.openSync(big, 'w')
  const {randomBytes} = require('node:crypto')
  for (let left = Number(process.env.CLIENT_BYTES); left > 0; left -= 8 << 20) fs.writeSync(fd, randomBytes(Math.min(left, 8 << 20)))
  fs.closeSync(fd)
  let id
  await time(`upload of ${process.env.CLIENT_BYTES} bytes, compression 0`, async () => {
    id = (await client.uploadArtifact('big', [big], dir, {compressionLevel: 0})).id
  })
  const to = path.join(work, 'big-down')
  await time('download of it', () => client.downloadArtifact(id, {path: to}))
  same(dir, to)
  fs.rmSync(to, {recursive: true})
}
if (process.env.CLIENT_FILES) {
  const dir = path.join(work, 'many')
  const all = []
  for (let i = 0; i < Number(process.env.CLIENT_FILES); i++) {
    const p = path.join(dir, String(i % 100), `${i}.txt`)
    if (i < 100) fs.mkdirSync(path.dirname(p), {recursive: true})
    fs.writeFileSync(p, `file ${i}\n`.repeat(50))
    all.push(p)
  }
  let id
  await time(`upload of ${process.env.CLIENT_FILES} files`, async () => { id = (await client.uploadArtifact('many', all, dir)).id })
  const to = path.join(work, 'many-down')
  await time('download of them', () => client.downloadArtifact(id, {path: to}))
  same(dir, to)
}
console.log('all is well')
