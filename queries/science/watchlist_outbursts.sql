-- Outbursts on a watchlist
-- For known variables: measurements in which an object of a list is so many times brighter than it is as a rule.
-- survey: lsst
-- param objects ids: ids of the objects (diaObjectId)
-- param factor number from 1 default 2: how many times the median flux of the object in the band
-- param since number d default 0: measurements before this time (MJD, TAI) count for the median only
-- example: objects=170032882292621351,170032882292621352
-- result: one row an outburst, newest first: object, measurement, time (MJD, TAI), band, flux and its error and the
--   median (nJy), and how many times the median the flux is
-- caveat: flux is that of the science image, not of the difference; the median takes in the outbursts themselves, and
--   objects whose median is not above 0 are left out
-- cost: the rows of these objects, found by index where files are merged
WITH measured AS (
  SELECT diaObjectId, diaSourceId, midpointMjdTai, band, scienceFlux, scienceFluxErr
  FROM lsst.DiaSource
  WHERE diaObjectId IN $objects AND scienceFlux IS NOT NULL
), usual AS (
  SELECT diaObjectId, band, median(CAST(scienceFlux AS DOUBLE)) AS middle FROM measured GROUP BY diaObjectId, band
)
SELECT measured.diaObjectId, measured.diaSourceId, measured.midpointMjdTai, measured.band, measured.scienceFlux,
       measured.scienceFluxErr, usual.middle AS median_flux, measured.scienceFlux / usual.middle AS times
FROM measured
JOIN usual ON usual.diaObjectId = measured.diaObjectId AND usual.band = measured.band
WHERE usual.middle > 0 AND measured.scienceFlux > $factor * usual.middle AND measured.midpointMjdTai >= $since
ORDER BY measured.midpointMjdTai DESC, measured.diaSourceId
