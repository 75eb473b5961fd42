// Package track keeps what scripts log while they train: experiments, runs,
// params, metrics, tags, logged models, datasets, their files, and the names of
// registered models. The stock MLflow client reaches it through api/mlflow.
//
// A run created with a job's token belongs to that job: the link is written in
// the transaction that creates the run, and nothing in the script says so.
//
// Where things are: rows with links in the one database; metric points apart
// from it (see Store.LogMetrics for the order of the two); bytes of files in the
// content store, which has them on disk before a row names them. The versions of
// registered models are assets of kind model, reached through Models.
package track
