-- Close pairs of objects in a field
-- For blends and objects that were made twice: a field matched with itself.
-- survey: lsst
-- param ra number deg: right ascension of the middle, ICRS
-- param dec number deg from -90 to 90: its declination
-- param radius number deg from 0 to 180 default 0.5: how far from the middle
-- param separation number arcsec from 0.01 to 3600 default 2: how far apart two objects of a pair are at most
-- example: ra=150.1 dec=2.2
-- result: one row a pair, closest first: the ids, the lesser first, and the angle between them (arcsec)
-- caveat: an object is where it was measured last in the field
-- cost: files and rows in the field; each object is compared with those of about its declination
WITH placed AS (
  SELECT diaObjectId, last_value(ra ORDER BY midpointMjdTai, diaSourceId) AS ra,
         last_value(dec ORDER BY midpointMjdTai, diaSourceId) AS dec
  FROM lsst.sources
  WHERE cone(ra, dec, $ra, $dec, $radius) AND diaObjectId <> 0
  GROUP BY diaObjectId
), one AS (
  -- Two objects of a pair are in one strip of declination or in two that touch.
  SELECT diaObjectId, ra, dec, CAST(floor(dec / arcsec($separation)) AS BIGINT) AS strip FROM placed
), other AS (
  SELECT diaObjectId, ra, dec, unnest([strip - 1, strip, strip + 1]) AS strip FROM one
)
SELECT one.diaObjectId AS first, other.diaObjectId AS second,
       angular_distance(one.ra, one.dec, other.ra, other.dec) * 3600 AS arcseconds
FROM one
JOIN other ON one.strip = other.strip AND one.diaObjectId < other.diaObjectId
WHERE angular_distance(one.ra, one.dec, other.ra, other.dec) <= arcsec($separation)
ORDER BY arcseconds, first, second
