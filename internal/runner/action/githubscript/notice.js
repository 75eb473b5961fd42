// Writes the licences of everything that bundle.js holds, from node_modules.
'use strict'

const fs = require('fs')
const path = require('path')

const lock = JSON.parse(fs.readFileSync('package-lock.json', 'utf8'))
console.log('# Licences of bundle.js\n\nmain.js is bundled with these packages; `make github-script` writes this file.')
for (const [dir, info] of Object.entries(lock.packages).sort()) {
  if (!dir || info.dev) continue
  const name = dir.replace(/^.*node_modules\//, '')
  const file = fs.readdirSync(dir).find(f => /^licen[cs]e/i.test(f))
  const text = file ? fs.readFileSync(path.join(dir, file), 'utf8').trim() : `Licence: ${info.license}`
  console.log(`\n## ${name} ${info.version} (${info.license})\n\n${text.replace(/^/gm, '    ').replace(/ +$/gm, '')}`)
}
