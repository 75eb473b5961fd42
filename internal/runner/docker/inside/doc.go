// Package inside is the small part of Cairn that runs in the container of a job: it
// starts the processes of steps, ends them with all that came from them, and takes in
// what they leave. It is the container's first process, so that nothing outlives it,
// and it ends with the supervisor of the job, whose end of the line closes then.
package inside
