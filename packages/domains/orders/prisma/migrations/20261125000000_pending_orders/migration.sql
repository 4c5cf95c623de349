-- What Prisma's schema cannot say: pending orders, however many have ended, for the schedule that finishes those that stand still.
CREATE INDEX "order_pending" ON "order"("tenant_id", "created_at") WHERE "status" = 'PENDING';
