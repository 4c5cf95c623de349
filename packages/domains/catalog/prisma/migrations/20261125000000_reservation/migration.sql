-- CreateTable
CREATE TABLE "reservation" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "status" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "reservation_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "reservation_line" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "reservation_id" UUID NOT NULL,
    "product_id" UUID NOT NULL,
    "quantity" INTEGER NOT NULL,

    CONSTRAINT "reservation_line_pkey" PRIMARY KEY ("tenant_id","reservation_id","product_id")
);

-- AddForeignKey
ALTER TABLE "reservation_line" ADD CONSTRAINT "reservation_line_tenant_id_reservation_id_fkey" FOREIGN KEY ("tenant_id", "reservation_id") REFERENCES "reservation"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema cannot say.
ALTER TABLE "reservation" ADD CONSTRAINT "reservation_status" CHECK ("status" IN ('held', 'rejected', 'released'));
ALTER TABLE "reservation_line" ADD CONSTRAINT "reservation_line_quantity" CHECK ("quantity" > 0);

SELECT app.tenant_table('reservation');
SELECT app.tenant_table('reservation_line');
