# From what was made to what processes are told: the settings that External Secrets hands out (infra/kubernetes), by their names. Write them to your provider's store of secrets.
terraform {
  required_version = ">= 1.9"
}

variable "app_secret" {
  description = "What sessions, identities and the passwords of database roles are derived from. Keep it apart from the backups."
  type        = string
  sensitive   = true
  validation {
    condition     = length(var.app_secret) >= 32
    error_message = "APP_SECRET has at least 32 random characters."
  }
}

variable "postgres" {
  description = "The administrator of the database, and where it is."
  type        = object({ host = string, port = optional(number, 5432), database = string, user = string, password = string })
  sensitive   = true
}

variable "nats" {
  type      = object({ hosts = list(string), user = string, password = string })
  sensitive = true
}

variable "smtp_url" {
  type      = string
  sensitive = true
  validation {
    condition     = can(regex("^smtps?://", var.smtp_url))
    error_message = "SMTP_URL is smtp://… or smtps://…"
  }
}

variable "unleash_token" {
  description = "A backend token of the Unleash server, for the environment whose flags are meant."
  type        = string
  sensitive   = true
}

output "values" {
  description = "The URLs of the domains' own roles are missing: their passwords derive from APP_SECRET; docs/guides/operating.md has the command that prints them."
  sensitive   = true
  value = {
    APP_SECRET    = var.app_secret
    DATABASE_URL  = "postgres://${urlencode(var.postgres.user)}:${urlencode(var.postgres.password)}@${var.postgres.host}:${var.postgres.port}/${var.postgres.database}"
    NATS_URL      = join(",", [for host in var.nats.hosts : "tls://${urlencode(var.nats.user)}:${urlencode(var.nats.password)}@${host}:4222"])
    SMTP_URL      = var.smtp_url
    UNLEASH_TOKEN = var.unleash_token
  }
}
