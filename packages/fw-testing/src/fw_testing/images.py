"""Which RabbitMQ and PostgreSQL ``fw_services`` starts where no others are named."""

RABBITMQ_IMAGE = "rabbitmq:4-management"
POSTGRES_IMAGE = "postgres:17"
