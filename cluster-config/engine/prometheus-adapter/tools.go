//go:build tools

// Package tools pins the stock command that the lab builds from this module; it holds no code of ours.
package tools

import (
	_ "sigs.k8s.io/prometheus-adapter/cmd/adapter"
)
