// Package endpoint shares requests out over deployments of models: one address with
// keys, weights, mirrored copies, bounds of time and of requests at once, in front of
// the stages on which the deployments run. What it is asked and answers follows the
// online endpoints of Azure Machine Learning
// (https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints#http-status-codes).
package endpoint
