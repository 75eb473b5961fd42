// What the stock @actions/cache package does with this server, in one go.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import {randomBytes} from 'node:crypto'
import {pathToFileURL} from 'node:url'

const dir = path.join(process.env.CLIENT_MODULES, 'node_modules/@actions/cache')
const pkg = JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8'))
const m = await import(pathToFileURL(path.join(dir, pkg.main)).href)
const cache = m.saveCache ? m : m.default

assert.ok(cache.isFeatureAvailable())
const work = process.env.GITHUB_WORKSPACE
const write = (name, data) => {
  fs.mkdirSync(path.dirname(path.join(work, name)), {recursive: true})
  fs.writeFileSync(path.join(work, name), data)
}
write('deps/a.txt', 'one')
write('deps/sub/b.txt', 'two')
const paths = ['deps', '!deps/none']

assert.equal(await cache.restoreCache(paths, 'linux-1', ['linux-']), undefined)
const id = await cache.saveCache(paths, 'linux-1')
assert.ok(id > 0, String(id))
assert.equal(await cache.saveCache(paths, 'linux-1'), -1) // a key never changes
assert.equal(await cache.restoreCache(paths, 'linux-1', [], {lookupOnly: true}), 'linux-1')
fs.rmSync(path.join(work, 'deps'), {recursive: true})
assert.equal(await cache.restoreCache(paths, 'linux-1'), 'linux-1')
assert.equal(fs.readFileSync(path.join(work, 'deps/sub/b.txt'), 'utf8'), 'two')

write('deps/a.txt', 'newer')
assert.ok(await cache.saveCache(paths, 'linux-2') > id)
fs.rmSync(path.join(work, 'deps'), {recursive: true})
assert.equal(await cache.restoreCache(paths, 'linux-3', ['mac-', 'linux-']), 'linux-2') // the newest
assert.equal(fs.readFileSync(path.join(work, 'deps/a.txt'), 'utf8'), 'newer')
assert.equal(await cache.restoreCache(['other'], 'linux-1'), undefined) // other paths: another version
await assert.rejects(cache.saveCache(paths, 'a,b'), /comma/)

// An entry of the built-in action, of the same paths: the versions agree.
assert.equal(await cache.restoreCache(['from-builtin'], 'builtin-1'), process.env.CLIENT_BUILTIN ? 'builtin-1' : undefined)

const time = async (what, fn) => {
  const t = process.hrtime.bigint()
  await fn()
  console.log(`figure: cache@${pkg.version} ${what} ${(Number(process.hrtime.bigint() - t) / 1e9).toFixed(2)} s`)
}
const round = async (name, what) => {
  await time(`save of ${what}`, async () => assert.ok(await cache.saveCache([name], name) > 0))
  const sums = fs.readdirSync(path.join(work, name), {recursive: true}).length
  fs.rmSync(path.join(work, name), {recursive: true})
  await time(`restore of ${what}`, async () => assert.equal(await cache.restoreCache([name], name), name))
  assert.equal(fs.readdirSync(path.join(work, name), {recursive: true}).length, sums)
}
if (process.env.CLIENT_BYTES) {
  fs.mkdirSync(path.join(work, 'big'))
  const fd = fs.openSync(path.join(work, 'big/big.bin'), 'w')
  for (let left = Number(process.env.CLIENT_BYTES); left > 0; left -= 8 << 20) fs.writeSync(fd, randomBytes(Math.min(left, 8 << 20)))
  fs.closeSync(fd)
  await round('big', `${process.env.CLIENT_BYTES} bytes`)
}
if (process.env.CLIENT_FILES) {
  for (let i = 0; i < Number(process.env.CLIENT_FILES); i++) write(`many/${i % 100}/${i}.txt`, `file ${i}\n`.repeat(50))
  await round('many', `${process.env.CLIENT_FILES} files`)
}
console.log('all is well')
