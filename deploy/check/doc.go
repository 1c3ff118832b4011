// Package check holds what is in deploy/ against what reads it: the types of
// Kubernetes, the loader of compose files, and the settings and routes of the service.
// It has tests alone, and is a module of its own for what they need.
package check
