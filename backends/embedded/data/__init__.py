"""Data that the embedded servers read: Kubernetes' resources and schemas, distilled by `generate`."""
