-- CreateTable
CREATE TABLE "order" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'PENDING',
    "total_minor" BIGINT NOT NULL,
    "currency" TEXT NOT NULL,
    "payment_method" TEXT,
    "placed_by" UUID NOT NULL,
    "cancel_reason" TEXT,
    "idempotency_key" TEXT NOT NULL,
    "request_hash" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "order_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "order_line" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "order_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "product_id" UUID NOT NULL,
    "sku" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "quantity" INTEGER NOT NULL,
    "unit_price_minor" BIGINT NOT NULL,

    CONSTRAINT "order_line_pkey" PRIMARY KEY ("tenant_id","order_id","position")
);

-- CreateIndex
CREATE INDEX "order_tenant_id_status_id_idx" ON "order"("tenant_id", "status", "id");

-- CreateIndex
CREATE UNIQUE INDEX "order_tenant_id_idempotency_key_key" ON "order"("tenant_id", "idempotency_key");

-- AddForeignKey
ALTER TABLE "order_line" ADD CONSTRAINT "order_line_tenant_id_order_id_fkey" FOREIGN KEY ("tenant_id", "order_id") REFERENCES "order"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema cannot say.
ALTER TABLE "order" ADD CONSTRAINT "order_status" CHECK ("status" IN ('PENDING', 'CONFIRMED', 'CANCELLED'));
ALTER TABLE "order" ADD CONSTRAINT "order_cancelled_for_a_reason" CHECK (("status" = 'CANCELLED') = ("cancel_reason" IS NOT NULL));
ALTER TABLE "order" ADD CONSTRAINT "order_total" CHECK ("total_minor" BETWEEN 0 AND 9007199254740991);
ALTER TABLE "order" ADD CONSTRAINT "order_currency" CHECK ("currency" ~ '^[A-Z]{3}$');
ALTER TABLE "order_line" ADD CONSTRAINT "order_line_quantity" CHECK ("quantity" > 0);
ALTER TABLE "order_line" ADD CONSTRAINT "order_line_unit_price" CHECK ("unit_price_minor" BETWEEN 0 AND 9007199254740991);

SELECT app.tenant_table('"order"');
SELECT app.tenant_table('order_line');
