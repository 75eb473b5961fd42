// What `uses: actions/github-script` runs: the body of an async function, with the
// client, the context and the toolkit at hand. argv[2] is the major version whose
// behaviour is asked for. `make github-script` bundles this file with its packages.
'use strict'

const path = require('path')
const vm = require('vm')
const {createRequire} = require('module')
const core = require('@actions/core')
const exec = require('@actions/exec')
const actionsGithub = require('@actions/github')
const glob = require('@actions/glob')
const io = require('@actions/io')
const {requestLog} = require('@octokit/plugin-request-log')
const {retry} = require('@octokit/plugin-retry')

const {context, getOctokit} = actionsGithub
const major = Number(process.argv[2])
const toolkit = {
  '@actions/core': core, '@actions/exec': exec, '@actions/github': actionsGithub, '@actions/glob': glob, '@actions/io': io
}
// The require of Node itself, which is not bundled.
const nativeRequire = createRequire(__filename)

async function main() {
  const script = core.getInput('script', {required: true})
  const options = clientOptions()
  const token = core.getInput('github-token', {required: true})
  const github = getOctokit(token, options, retry, requestLog)
  if (major < 5) {
    // These versions had the endpoints at the client itself, not below `rest`.
    for (const [name, api] of Object.entries(github.rest)) {
      if (!(name in github)) github[name] = api
    }
  }
  const args = {require: wrapped, __original_require__: nativeRequire, github, context, core, io}
  if (major >= 3) args.glob = glob
  if (major >= 4) args.exec = exec
  if (major >= 7) args.octokit = github
  if (major >= 9) {
    args.getOctokit = (other, more = {}, ...plugins) => getOctokit(other, {...options, ...more}, retry, requestLog, ...plugins)
  }
  const result = await call(args, script)
  const encoding = core.getInput('result-encoding') || 'json'
  if (encoding !== 'json' && encoding !== 'string') {
    throw new Error('"result-encoding" must be either "string" or "json"')
  }
  core.setOutput('result', encoding === 'json' ? JSON.stringify(result) : String(result))
}

function clientOptions() {
  const debug = major >= 6 ? core.getBooleanInput('debug') : core.getInput('debug') === 'true'
  const options = {
    log: debug ? console : undefined,
    userAgent: core.getInput('user-agent') || undefined,
    previews: core.getInput('previews') ? core.getInput('previews').split(',') : undefined,
    retry: {enabled: false}
  }
  const retries = parseInt(core.getInput('retries'))
  if (retries > 0) {
    const exempt = core.getInput('retry-exempt-status-codes').trim()
    options.retry = {enabled: true}
    if (exempt) options.retry.doNotRetry = exempt.split(',').map(n => parseInt(n))
    options.request = {retries}
    core.info(`GitHub client configured with: (retries: ${retries}, retry-exempt-status-code: ${exempt || 'octokit default: [400, 401, 403, 404, 422]'})`)
  }
  const baseUrl = core.getInput('base-url')
  if (baseUrl) options.baseUrl = baseUrl // undefined would hide the default
  return options
}

// call runs the script with args as its parameters. It is compiled under a name and
// from line 1, so that a stack trace shows its own lines; import() looks up from the
// work folder.
async function call(args, source) {
  const head = `(async function (${Object.keys(args).join(', ')}) {`
  const loader = vm.constants && vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  const script = new vm.Script(`${head}\n${source}\n})`, {filename: 'script', lineOffset: -1, importModuleDynamically: loader})
  // Before that constant (Node 20.12) only what eval compiles can import.
  const body = loader ? script.runInThisContext() : (0, eval)(`${head}${source}\n})\n//# sourceURL=script`)
  return body.apply(undefined, Object.values(args))
}

// wrapped is require of a script: relative paths are those of the work folder, and so
// are packages; the toolkit is there in any case.
const wrapped = new Proxy(nativeRequire, {
  apply(target, self, [name]) {
    if (typeof name === 'string' && name.startsWith('.')) return target(path.join(process.cwd(), name))
    try {
      return target(target.resolve(name, {paths: [process.cwd()]}))
    } catch (err) {
      if (err.code === 'MODULE_NOT_FOUND' && Object.hasOwn(toolkit, name)) return toolkit[name]
      throw err
    }
  }
})

function fail(err) {
  console.error(err)
  const stack = String((err && err.stack) || '')
  const at = /(?:^|[\s(])script:(\d+)(?::(\d+))?/.exec(stack)
  core.setFailed(`Unhandled error: ${err}` + (at ? ` (line ${at[1]} of the script)` : ''))
}

process.on('unhandledRejection', fail)
main().catch(fail)
