# What the product needs of a cloud, whichever it is: from the topology and from how far Kubernetes may scale it. Feeds the modules of your provider.
terraform {
  required_version = ">= 1.9"
}

variable "topology_file" {
  description = "topology.json: which apps there are besides the gateway."
  type        = string
}

variable "domains" {
  description = "How many domains the product has: each process of the gateway connects to the databases of all."
  type        = number
  validation {
    condition     = var.domains >= 1
    error_message = "A product has at least one domain."
  }
}

variable "replicas" {
  description = "maxReplicas of the HorizontalPodAutoscalers, by role."
  type        = object({ http = number, worker = number })
  default     = { http = 8, worker = 4 }
  validation {
    condition     = var.replicas.http >= 2 && var.replicas.worker >= 2
    error_message = "With fewer than 2 replicas a node that goes away takes the product along."
  }
}

locals {
  topology = jsondecode(file(var.topology_file)).apps
  hosted   = concat([var.domains], [for app in values(local.topology) : length(app.domains)])
  replicas = var.replicas.http + var.replicas.worker

  # See Connections in docs/guides/operating.md.
  per_domain  = 25
  per_process = 9
  connections = sum([for domains in local.hosted : domains * local.per_domain + local.per_process]) * local.replicas

  # As the limits and requests of infra/kubernetes/app/process.yaml have it.
  memory_mib = length(local.hosted) * local.replicas * 512
  cpu        = length(local.hosted) * local.replicas * 0.25
}

output "postgres" {
  description = "A PostgreSQL that takes all connections of all processes, or a pooler in front of it; its administrator may create roles."
  value = {
    version         = "18"
    max_connections = local.connections + 50 # migrations, backups, people
  }
}

output "nats" {
  description = "A NATS server with JetStream on disks, in three places."
  value       = { version = "2.12", replicas = 3, jetstream = true }
}

output "cluster" {
  description = "What the product's own pods need when scaled as far as they may be. NetworkPolicies must be enforced."
  value       = { version = "1.30", cpu = local.cpu, memory_gib = ceil(local.memory_mib / 1024), network_policies = true }
}
