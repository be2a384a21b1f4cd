-- How an object brightened
-- For light-curve work on one object: what each of its alerts measured, oldest first. Replace the id.
-- survey: lsst
SELECT _alert, diaSource.midpointMjdTai, diaSource.band, diaSource.psfFlux, diaSource.psfFluxErr
FROM lsst.alerts
WHERE diaSource.diaObjectId = 170032882292621351
ORDER BY diaSource.midpointMjdTai
