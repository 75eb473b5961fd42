// What workflows do with octokit, against Cairn.
import assert from 'node:assert/strict'
import { Octokit } from '@octokit/rest'

const gh = new Octokit({ baseUrl: process.argv[2], log: { debug() {}, info() {}, warn: console.warn, error() {} } })
const at = { owner: 'o', repo: 'r' }
const wait = ms => new Promise(done => setTimeout(done, ms))

assert.equal((await gh.repos.get(at)).data.default_branch, 'main')
await gh.repos.createDispatchEvent({ ...at, event_type: 'retrain', client_payload: { reason: 'drift' } })
await gh.actions.createWorkflowDispatch({ ...at, workflow_id: 'd.yml', ref: 'main', inputs: { level: 'high' } })
await assert.rejects(gh.actions.createWorkflowDispatch({ ...at, workflow_id: 'd.yml', ref: 'main', inputs: { level: 'x' } }), e => e.status === 422 && /level/.test(e.message))
const flows = (await gh.paginate(gh.actions.listRepoWorkflows, { ...at, per_page: 1 }))
assert.deepEqual(flows.map(w => w.name).sort(), ['dispatched', 'pr', 'rel'])

const pull = (await gh.pulls.create({ ...at, head: 'topic', base: 'main', title: 'Second' })).data
assert.equal(pull.mergeable, true)
await gh.issues.addLabels({ ...at, issue_number: pull.number, labels: ['model'] })
assert.equal((await gh.pulls.get({ ...at, pull_number: pull.number })).data.labels[0].name, 'model')
assert.equal((await gh.pulls.listFiles({ ...at, pull_number: pull.number })).data[0].filename, 'b')
await gh.repos.createCommitStatus({ ...at, sha: pull.head.sha, state: 'success', context: 'ci/test' })
assert.equal((await gh.repos.getCombinedStatusForRef({ ...at, ref: pull.head.sha })).data.state, 'success')
const merged = (await gh.pulls.merge({ ...at, pull_number: pull.number, merge_method: 'squash' })).data
assert.equal(merged.merged, true)
assert.equal((await gh.git.getRef({ ...at, ref: 'heads/main' })).data.object.sha, merged.sha)
await assert.rejects(gh.pulls.merge({ ...at, pull_number: pull.number }), e => e.status === 405)

const release = (await gh.repos.createRelease({ ...at, tag_name: 'v1', name: 'One', body: 'notes' })).data
assert.equal((await gh.repos.getLatestRelease(at)).data.id, release.id)
assert.equal((await gh.repos.getReleaseByTag({ ...at, tag: 'v1' })).data.body, 'notes')
await gh.git.createRef({ ...at, ref: 'refs/heads/extra', sha: merged.sha })
await gh.git.deleteRef({ ...at, ref: 'heads/extra' })
const file = (await gh.repos.getContent({ ...at, path: 'b', ref: 'v1' })).data
assert.equal(Buffer.from(file.content, 'base64').toString(), '2\n')
assert.equal((await gh.repos.getContent({ ...at, path: 'b', mediaType: { format: 'raw' } })).data, '2\n')

let runs = []
for (let i = 0; i < 600; i++) {
  runs = await gh.paginate(gh.actions.listWorkflowRunsForRepo, { ...at, per_page: 2 })
  if (runs.length === 4 && runs.every(r => r.status === 'completed')) break
  await wait(100)
}
assert.deepEqual(runs.map(r => r.event).sort(), ['pull_request', 'release', 'repository_dispatch', 'workflow_dispatch'])
const jobs = (await gh.actions.listJobsForWorkflowRun({ ...at, run_id: runs[0].id })).data
assert.match((await gh.actions.downloadJobLogsForWorkflowRun({ ...at, job_id: jobs.jobs[0].id })).data, /./)
await gh.actions.reRunWorkflow({ ...at, run_id: runs[0].id })
await assert.rejects(gh.issues.createComment({ ...at, issue_number: 1, body: 'x' }), e => e.status === 501 && /comments/.test(e.message))
await assert.rejects(gh.rest.repos.listForks(at), e => e.status === 404 && /forks/.test(e.message))
console.log('all done')
