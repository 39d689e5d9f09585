"""The reconcile engine: work queue, comparison, plan, sync steps, retry, status.

Speaks Argo CD's dialect: it reads the same `Application` objects as Argo CD's controller and writes the same status.
Rules are those of argoproj/argo-cd v3 (`controller/`, `gitops-engine/pkg/sync`); each module names the file.
"""
