-- New objects
-- For discoveries: objects that alerted since a time and have no measurement from before it.
-- survey: lsst
-- param since number d: the time (MJD, TAI), itself included
-- example: since=61137.5
-- result: one row an object: its id, first and last time (MJD, TAI), measurements, and where it was seen last (deg)
-- caveat: the survey may have seen an object before and sent no history of it, or that history may not be in the
--   archive
-- cost: alerts since the time; then all measurements, of which those of the objects that alerted are kept
SELECT diaObjectId, min(midpointMjdTai) AS first_mjd_tai, max(midpointMjdTai) AS last_mjd_tai,
       count(DISTINCT diaSourceId) AS sources, last_value(ra ORDER BY midpointMjdTai, diaSourceId) AS ra,
       last_value(dec ORDER BY midpointMjdTai, diaSourceId) AS dec
FROM lsst.sources
WHERE diaObjectId IN (
  SELECT diaObjectId FROM lsst.sources WHERE _origin = 'trigger' AND midpointMjdTai >= $since AND diaObjectId <> 0
)
GROUP BY diaObjectId
HAVING min(midpointMjdTai) >= $since
ORDER BY first_mjd_tai, diaObjectId
